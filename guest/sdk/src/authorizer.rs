//! The decision about a handshake.
//!
//! ```
//! use tidegate_guest::{Connection, Decision, Error, Handshake, authorizer, config};
//!
//! /// Lets in whoever says a name, while the doors are open.
//! #[authorizer]
//! fn authorize(_: &Connection, handshake: &Handshake) -> Result<Decision, Error> {
//!     let Some(name) = handshake.query_value("name") else { return Ok(Decision::Unauthorized) };
//!     let open = config::require("doors")? == "open";
//!     Ok(if open { Decision::allow(name).with("plan", "free") } else { Decision::Deny })
//! }
//! ```

pub use crate::bindings::authorizer::exports::tidegate::route::connect_authorizer::{Decision, Identity};

impl Decision {
    /// Lets the client in; every later event carries `principal` as its connection's.
    #[must_use]
    pub fn allow(principal: impl Into<String>) -> Self {
        Self::Allow(Identity { principal: principal.into(), context: Vec::new() })
    }

    /// The decision with one more value for the connection's context. A refusal stays as it is.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Allow(identity) = &mut self {
            identity.context.push((name.into(), value.into()));
        }
        self
    }
}
