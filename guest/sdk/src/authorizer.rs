//! The decision about a handshake.
//!
//! An authorizer is a function with the attribute [`macro@crate::authorizer`]. The host calls it before `$connect`. It
//! can read [`config`](crate::config) and nothing else.
//!
//! ```
//! use tidegate_guest::{Connection, Decision, Handshake, Result, authorizer, config};
//!
//! /// Admits every client that gives a name, while the value `doors` is `open`.
//! #[authorizer]
//! fn authorize(_: &Connection, handshake: &Handshake) -> Result<Decision> {
//!     let Some(name) = handshake.query_value("name") else { return Ok(Decision::Unauthorized) };
//!     let open = config::require("doors")? == "open";
//!     Ok(if open { Decision::allow(name).with("plan", "free") } else { Decision::Deny })
//! }
//! ```

/// A decision: `Allow` admits the client, `Deny` refuses it with status 403, `Unauthorized` with status 401.
///
/// ```
/// use tidegate_guest::{Decision, Handshake};
///
/// fn decide(handshake: &Handshake) -> Decision {
///     match handshake.query_value("name") {
///         None => Decision::Unauthorized,
///         Some("mallory") => Decision::Deny,
///         Some(name) => Decision::allow(name),
///     }
/// }
///
/// let handshake = Handshake { headers: vec![], query: vec![("name".into(), "mallory".into())] };
/// assert_eq!(decide(&handshake), Decision::Deny);
/// ```
pub use crate::bindings::authorizer::exports::tidegate::route::connect_authorizer::Decision;
/// The principal and the context that each later event has in its [`Connection`](crate::Connection).
///
/// ```
/// use tidegate_guest::Decision;
/// use tidegate_guest::authorizer::Identity;
///
/// let identity = Identity { principal: "alice".into(), context: vec![("plan".into(), "free".into())] };
/// assert_eq!(Decision::Allow(identity), Decision::allow("alice").with("plan", "free"));
/// ```
pub use crate::bindings::authorizer::exports::tidegate::route::connect_authorizer::Identity;

impl Decision {
    /// Admits the client. The connection of each later event has this principal.
    ///
    /// ```
    /// use tidegate_guest::Decision;
    ///
    /// let decision = Decision::allow("alice");
    /// assert!(matches!(decision, Decision::Allow(identity) if identity.principal == "alice"));
    /// ```
    #[must_use]
    pub fn allow(principal: impl Into<String>) -> Self {
        Self::Allow(Identity { principal: principal.into(), context: Vec::new() })
    }

    /// Adds a value to the connection's context. Does not change a refusal.
    ///
    /// ```
    /// use tidegate_guest::Decision;
    ///
    /// let decision = Decision::allow("alice").with("plan", "free");
    /// assert!(matches!(decision, Decision::Allow(identity) if identity.context.len() == 1));
    /// assert_eq!(Decision::Deny.with("plan", "free"), Decision::Deny);
    /// ```
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Allow(identity) = &mut self {
            identity.context.push((name.into(), value.into()));
        }
        self
    }
}
