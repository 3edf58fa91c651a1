//! What becomes a reply or a message.

use serde::Serialize;

pub use crate::bindings::route::tidegate::route::types::Reply;
use crate::error::Error;
use crate::request::Payload;

/// JSON: a message to read as an argument, a message or a reply to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// What can be sent: text (`&str`, `String`), bytes (`Vec<u8>`), [`Json`], or a [`Payload`].
pub trait IntoPayload {
    /// Makes the payload.
    ///
    /// # Errors
    ///
    /// Status 500 when the value has no JSON.
    fn into_payload(self) -> Result<Payload, Error>;
}

/// What a route can return: nothing (`()`), all that can be sent ([`IntoPayload`]), a [`Reply`], or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a reply",
    label = "no reply",
    note = "a route returns `()`, `Json<T>`, `String`, `&str`, `Payload`, `Reply`, or a `Result` of one of them"
)]
pub trait IntoReply {
    /// Makes the reply.
    ///
    /// # Errors
    ///
    /// The route's own, or status 500 when the value has no JSON.
    fn into_reply(self) -> Result<Reply, Error>;
}

impl Reply {
    /// A reply of that status, without headers and body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// The reply with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The reply with that body. It reaches the client only on a two-way route.
    ///
    /// # Errors
    ///
    /// Status 500 when the value has no JSON.
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

impl IntoPayload for Payload {
    fn into_payload(self) -> Result<Payload, Error> {
        Ok(self)
    }
}

impl IntoPayload for &Payload {
    fn into_payload(self) -> Result<Payload, Error> {
        Ok(self.clone())
    }
}

impl IntoPayload for String {
    fn into_payload(self) -> Result<Payload, Error> {
        Ok(Payload::Text(self))
    }
}

impl IntoPayload for &str {
    fn into_payload(self) -> Result<Payload, Error> {
        Ok(Payload::Text(self.to_owned()))
    }
}

impl IntoPayload for Vec<u8> {
    fn into_payload(self) -> Result<Payload, Error> {
        Ok(Payload::Binary(self))
    }
}

impl<T: Serialize> IntoPayload for Json<T> {
    fn into_payload(self) -> Result<Payload, Error> {
        let text = serde_json::to_string(&self.0);
        text.map(Payload::Text).map_err(|error| Error::internal(format!("a value has no JSON: {error}")))
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::storage;

    #[test]
    fn every_return_type_becomes_a_reply() {
        let text = |text: &str| Reply { body: Some(Payload::Text(text.into())), ..Reply::default() };
        assert_eq!(().into_reply().unwrap(), Reply::default());
        assert_eq!("a".into_reply().unwrap(), text("a"));
        assert_eq!(Ok::<_, Error>(String::from("b")).into_reply().unwrap(), text("b"));
        assert_eq!(Json([1, 2]).into_reply().unwrap(), text("[1,2]"));
        assert_eq!(vec![1u8].into_reply().unwrap().body, Some(Payload::Binary(vec![1])));
        let reply = Reply::status(403).header("a", "b").into_reply().unwrap();
        assert_eq!((reply.status, reply.headers), (403, vec![("a".into(), "b".into())]));
    }

    #[test]
    fn a_capability_error_becomes_the_reply_s_error() {
        let result: Result<(), storage::Error> = Err(storage::Error::Conflict);
        assert_eq!(result.into_reply().unwrap_err().status, 409);
    }

    #[test]
    fn a_value_without_json_is_500() {
        let error = Json(BTreeMap::from([([1, 2], 3)])).into_reply().unwrap_err();
        assert_eq!(error.status, 500);
    }
}
