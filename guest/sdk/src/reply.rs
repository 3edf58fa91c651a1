//! Replies and messages, and the values that a route can return.
//!
//! ```
//! use tidegate_guest::{Json, Reply, Result, json, route};
//!
//! #[route]
//! fn receipt(text: &str) -> Result<Reply> {
//!     Reply::default().body(Json(json!({ "bytes": text.len() })))
//! }
//! ```

mod payload;

/// The answer of a route: a status, headers and a body. [`IntoReply`] makes it from simpler values.
///
/// ```
/// use tidegate_guest::{Payload, Reply};
///
/// let reply = Reply { status: 200, headers: vec![], body: Some(Payload::Text("hello".into())) };
/// assert_eq!(reply, Reply::status(200).body("hello").unwrap());
/// ```
pub use crate::bindings::route::tidegate::route::types::Reply;
use crate::error::Error;
pub use payload::IntoPayload;

/// A value in JSON. As an argument it reads the message; as a message or a return value it is written.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidegate_guest::{Json, route};
///
/// #[derive(Deserialize)]
/// struct Numbers { numbers: Vec<i64> }
///
/// #[derive(Serialize)]
/// struct Sum { sum: i64 }
///
/// #[route]
/// fn sum(Json(Numbers { numbers }): Json<Numbers>) -> Json<Sum> {
///     Json(Sum { sum: numbers.iter().sum() })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A value that a route can return: nothing (`()`), a value that can be sent ([`IntoPayload`]), a [`Reply`], or a
/// `Result` of one of them.
///
/// ```
/// use tidegate_guest::{IntoReply, Payload, Reply, storage};
///
/// assert_eq!(().into_reply().unwrap().body, None);
/// assert_eq!("hello".into_reply().unwrap().body, Some(Payload::Text("hello".into())));
///
/// let lost: Result<Reply, storage::Error> = Err(storage::Error::Conflict);
/// assert_eq!(lost.into_reply().unwrap_err().status, 409);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a reply",
    label = "not a reply",
    note = "a route returns `()`, `Json<T>`, `String`, `&str`, `Payload`, `Reply`, or a `Result` of one of them"
)]
pub trait IntoReply {
    /// Makes the reply. Its status is 200 unless the value is a [`Reply`].
    ///
    /// ```
    /// use tidegate_guest::IntoReply;
    ///
    /// assert_eq!("hello".into_reply().unwrap().status, 200);
    /// ```
    ///
    /// # Errors
    ///
    /// The route's error, or status 500 if the value cannot be written as JSON.
    fn into_reply(self) -> Result<Reply, Error>;
}

impl Reply {
    /// Makes a reply with a status, without headers and body.
    ///
    /// On `$connect`, a status outside 200..=299 refuses the socket.
    ///
    /// ```
    /// use tidegate_guest::{Handshake, Reply, route};
    ///
    /// #[route]
    /// fn connect(handshake: &Handshake) -> Reply {
    ///     Reply::status(if handshake.header("origin").is_some() { 200 } else { 403 })
    /// }
    /// ```
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// Adds a header. On `$connect`, the host uses `sec-websocket-protocol` and ignores the others.
    ///
    /// ```
    /// let reply = tidegate_guest::Reply::default().header("sec-websocket-protocol", "chat");
    /// assert_eq!(reply.headers, [("sec-websocket-protocol".to_owned(), "chat".to_owned())]);
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body. The host sends it to the client only on a two-way route.
    ///
    /// ```
    /// use tidegate_guest::{Json, Payload, Reply, json};
    ///
    /// let reply = Reply::default().body(Json(json!({ "ok": true }))).unwrap();
    /// assert_eq!(reply.body, Some(Payload::Text(r#"{"ok":true}"#.into())));
    /// ```
    ///
    /// # Errors
    ///
    /// Status 500 if the value cannot be written as JSON.
    pub fn body(mut self, body: impl IntoPayload) -> Result<Self, Error> {
        self.body = Some(body.into_payload()?);
        Ok(self)
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::status(200)
    }
}

impl<P: IntoPayload> IntoReply for P {
    fn into_reply(self) -> Result<Reply, Error> {
        Reply::default().body(self)
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, Error> {
        Ok(Reply::default())
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, Error> {
        Ok(self)
    }
}

impl<T: IntoReply, E: Into<Error>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, Error> {
        self.map_err(Into::into)?.into_reply()
    }
}

#[cfg(test)]
mod tests;
