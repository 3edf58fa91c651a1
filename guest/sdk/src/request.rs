//! The event, and the arguments that a route can take.
//!
//! ```
//! use serde::Deserialize;
//! use tidegate_guest::{Connection, Json, Request, route};
//!
//! #[derive(Deserialize)]
//! struct Greet<'a> { name: &'a str }
//!
//! #[route]
//! fn greet(request: &Request, connection: &Connection, Json(Greet { name }): Json<Greet<'_>>) -> String {
//!     format!("hello {name}, you are {} and sent a message at {}", connection.id, request.received_at)
//! }
//! ```
//!
//! The table of arguments is at [`FromRequest`]. The accessors of [`Request`] return the same values.

mod accessors;
mod arguments;

pub use arguments::FromRequest;

/// The close code and reason of a `$disconnect`. The code is 1005 if the client sent none (RFC 6455 section 7.4).
///
/// ```
/// use tidegate_guest::{Closing, route};
///
/// #[route]
/// fn disconnect(closing: &Closing) {
///     println!("closed with {}: {}", closing.code, closing.reason);
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Closing;
/// The connection of an event: its id, the client's address, and the identity that the authorizer gave it.
///
/// ```
/// use tidegate_guest::{Connection, route};
///
/// #[route]
/// fn whoami(connection: &Connection) -> String {
///     let principal = connection.principal.as_deref().unwrap_or("anonymous");
///     format!("{principal} at {}, connection {}", connection.source_ip, connection.id)
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Connection;
/// The three kinds of events, for a component that serves routes of several kinds.
///
/// ```
/// use tidegate_guest::{Event, route};
///
/// #[route]
/// fn log(event: &Event) {
///     match event {
///         Event::Connect(handshake) => println!("a connect with {} headers", handshake.headers.len()),
///         Event::Message(message) => println!("message {}", message.id),
///         Event::Disconnect(closing) => println!("a disconnect with {}", closing.code),
///     }
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Event;
/// The upgrade request of a `$connect`: its headers and query parameters. Header names are in lower case.
///
/// ```
/// use tidegate_guest::{Handshake, Reply, route};
///
/// #[route]
/// fn connect(handshake: &Handshake) -> Reply {
///     Reply::status(if handshake.query_value("room").is_some() { 200 } else { 400 })
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Handshake;
/// A message from the client, with API Gateway's `messageId`.
///
/// ```
/// use tidegate_guest::{Message, route};
///
/// #[route]
/// fn receipt(message: &Message) -> String {
///     format!("received {}", message.id)
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Message;
/// The data of a message: UTF-8 text, or bytes. At most 131,072 bytes.
///
/// ```
/// use tidegate_guest::{Payload, route};
///
/// #[route]
/// fn size(payload: &Payload) -> String {
///     match payload {
///         Payload::Text(text) => format!("{} bytes of text", text.len()),
///         Payload::Binary(bytes) => format!("{} bytes", bytes.len()),
///     }
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Payload;
/// One event of one connection.
///
/// ```
/// use tidegate_guest::{Request, Result, route};
///
/// #[route]
/// fn log(request: &Request) -> Result<()> {
///     println!("{}: {} on route {}", request.request_id, request.text()?, request.route_key);
///     Ok(())
/// }
/// ```
pub use crate::bindings::route::tidegate::route::types::Request;

#[cfg(test)]
mod tests;
