//! Messages to connections: text, bytes or [`Json`](crate::Json), at most 131,072 bytes each.
//!
//! During `$connect`, a message to the connecting client is accepted, and delivered after its socket opens.
//!
//! ```
//! use tidegate_guest::{Connection, Json, Result, json, messaging, route};
//!
//! #[route]
//! fn news(connection: &Connection, text: &str) -> Result<()> {
//!     let delivery = messaging::broadcast_excluding("lobby", text, &[&connection.id])?;
//!     messaging::send(&connection.id, Json(json!({ "delivered": delivery.delivered })))?;
//!     Ok(())
//! }
//! ```

/// The counts of one broadcast. The broadcast reached the whole group only if `not_attempted` is 0.
///
/// ```
/// use tidegate_guest::messaging::Delivery;
///
/// fn is_complete(delivery: &Delivery) -> bool {
///     delivery.not_attempted == 0
/// }
/// ```
pub use crate::bindings::route::tidegate::route::messaging::Delivery;
/// The reason why a message was not sent. `?` converts it to an [`Error`](crate::Error).
///
/// ```no_run
/// use tidegate_guest::{Result, messaging};
///
/// /// Sends a message to a client that may have left.
/// fn notify(id: &str) -> Result<()> {
///     match messaging::send(id, "news") {
///         Err(messaging::Error::Gone) => Ok(()),
///         sent => Ok(sent?),
///     }
/// }
/// ```
pub use crate::bindings::route::tidegate::route::messaging::Error;
/// An open connection, as API Gateway describes it. Times are milliseconds since the Unix epoch.
///
/// ```
/// use tidegate_guest::messaging::Socket;
///
/// fn idle_seconds(socket: &Socket, now: u64) -> u64 {
///     now.saturating_sub(socket.last_active_at) / 1_000
/// }
/// ```
pub use crate::bindings::route::tidegate::route::messaging::Socket;
use crate::bindings::route::tidegate::route::messaging::{self as host};
use crate::reply::IntoPayload;
use crate::request::Payload;

/// Sends a message to one connection.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::messaging::send(connection_id, "hello")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - `Gone` if the connection is closed
/// - `Forbidden` without `grants.messaging.send`
/// - `Invalid` if the value cannot be written as JSON
/// - `Throttled` after 64 messages, or 1 MiB, to the connecting client during `$connect`
pub fn send(to: &str, message: impl IntoPayload) -> Result<(), Error> {
    host::send(to, &payload(message)?)
}

/// Sends a message to at most 1,000 connections. The results are in the order of the targets.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let ids: Vec<String> = Vec::new();
/// let results = tidegate_guest::messaging::send_many(&ids, "hello")?;
/// let sent = results.iter().filter(|result| result.is_ok()).count();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The errors of [`send`], if no message was sent.
pub fn send_many(to: &[String], message: impl IntoPayload) -> Result<Vec<Result<(), Error>>, Error> {
    host::send_many(to, &payload(message)?)
}

/// Sends a message to each member of a group, at most once.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// let delivery = tidegate_guest::messaging::broadcast("room-rust", "hello")?;
/// println!("{} delivered, {} gone", delivery.delivered, delivery.gone);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Forbidden` if no pattern of `grants.messaging.broadcast` matches the group, `Invalid` if the value cannot be
/// written as JSON. A member that could not be reached is not an error; the [`Delivery`] counts it.
pub fn broadcast(group: &str, message: impl IntoPayload) -> Result<Delivery, Error> {
    host::broadcast(group, &payload(message)?, &[])
}

/// Sends a message to each member of a group except at most 100, for example the sender.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let own_id = "";
/// tidegate_guest::messaging::broadcast_excluding("room-rust", "hello", &[own_id])?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The errors of [`broadcast`].
pub fn broadcast_excluding(group: &str, message: impl IntoPayload, excluding: &[&str]) -> Result<Delivery, Error> {
    let excluding: Vec<String> = excluding.iter().map(|&id| id.to_owned()).collect();
    host::broadcast(group, &payload(message)?, &excluding)
}

/// Describes an open connection.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// let socket = tidegate_guest::messaging::describe(connection_id)?;
/// println!("open since {}", socket.connected_at);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Gone` if the connection is closed, `Forbidden` without `grants.messaging.describe`.
pub fn describe(id: &str) -> Result<Socket, Error> {
    host::describe(id)
}

/// Closes a connection. Its `$disconnect` route runs afterwards.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::messaging::close(connection_id)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Gone` if the connection is already closed, `Forbidden` without `grants.messaging.close`.
pub fn close(id: &str) -> Result<(), Error> {
    host::close(id)
}

fn payload(message: impl IntoPayload) -> Result<Payload, Error> {
    message.into_payload().map_err(|error| Error::Invalid(error.message))
}
