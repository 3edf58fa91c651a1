//! Values that can be sent.

use serde::Serialize;

use crate::error::Error;
use crate::reply::Json;
use crate::request::Payload;

/// A value that can be sent: text (`&str`, `String`), bytes (`Vec<u8>`), [`Json`] or a [`Payload`].
///
/// Implement it for a type that is always sent in the same form:
///
/// ```
/// use tidegate_guest::{Error, IntoPayload, Json, Payload, json};
///
/// struct Ping(u32);
///
/// impl IntoPayload for Ping {
///     fn into_payload(self) -> Result<Payload, Error> {
///         Json(json!({ "type": "ping", "n": self.0 })).into_payload()
///     }
/// }
///
/// assert_eq!(Ping(1).into_payload().unwrap(), Payload::Text(r#"{"n":1,"type":"ping"}"#.into()));
/// ```
pub trait IntoPayload {
    /// Makes the payload.
    ///
    /// ```
    /// use tidegate_guest::{IntoPayload, Payload};
    ///
    /// assert_eq!("hello".into_payload().unwrap(), Payload::Text("hello".into()));
    /// assert_eq!(vec![1, 2].into_payload().unwrap(), Payload::Binary(vec![1, 2]));
    /// ```
    ///
    /// # Errors
    ///
    /// Status 500 if the value cannot be written as JSON.
    fn into_payload(self) -> Result<Payload, Error>;
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
        text.map(Payload::Text).map_err(|error| Error::internal(format!("cannot write the value as JSON: {error}")))
    }
}
