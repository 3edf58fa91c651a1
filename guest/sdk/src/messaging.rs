//! Messages to connections: text, bytes or [`Json`](crate::Json), at most 131,072 bytes each.
//!
//! During `$connect`, a message to the connecting client is accepted, and delivered once its socket is open.

use crate::bindings::route::tidegate::route::messaging::{self as host};
pub use crate::bindings::route::tidegate::route::messaging::{Delivery, Error, Socket, close, describe};
use crate::reply::IntoPayload;
use crate::request::Payload;

/// Sends to one connection.
///
/// # Errors
///
/// `Gone` when it is closed, `Forbidden` without `grants.messaging.send`, `Invalid` when the value has no JSON.
pub fn send(to: &str, message: impl IntoPayload) -> Result<(), Error> {
    host::send(to, &payload(message)?)
}

/// Sends to at most 1,000 connections; the results are in the order of the targets.
///
/// # Errors
///
/// As [`send`], when nothing was sent to anybody.
pub fn send_many(to: &[String], message: impl IntoPayload) -> Result<Vec<Result<(), Error>>, Error> {
    host::send_many(to, &payload(message)?)
}

/// Sends to every member of a group, at most once each.
///
/// # Errors
///
/// `Forbidden` when no pattern of `grants.messaging.broadcast` covers the group, `Invalid` when the value has no JSON.
/// A member that could not be reached is counted in the [`Delivery`], and is no error.
pub fn broadcast(group: &str, message: impl IntoPayload) -> Result<Delivery, Error> {
    host::broadcast(group, &payload(message)?, &[])
}

/// Sends to every member of a group but at most 100, the sender for one.
///
/// # Errors
///
/// As [`broadcast`].
pub fn broadcast_excluding(group: &str, message: impl IntoPayload, excluding: &[&str]) -> Result<Delivery, Error> {
    let excluding: Vec<String> = excluding.iter().map(|&id| id.to_owned()).collect();
    host::broadcast(group, &payload(message)?, &excluding)
}

fn payload(message: impl IntoPayload) -> Result<Payload, Error> {
    message.into_payload().map_err(|error| Error::Invalid(error.message))
}
