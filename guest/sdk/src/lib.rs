//! Routes of a WebSocket API as WebAssembly components.
//!
//! A route is a function. Its arguments are made from the event ([`FromRequest`]), what it returns becomes the reply
//! ([`IntoReply`]), and an [`Error`] carries an HTTP status:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tidegate_guest::{Connection, Error, Json, messaging, route};
//!
//! #[derive(Deserialize)]
//! struct Say { room: String, text: String }
//!
//! #[derive(Serialize)]
//! struct Said<'a> { from: &'a str, text: &'a str }
//!
//! #[route]
//! fn say(connection: &Connection, Json(say): Json<Say>) -> Result<(), Error> {
//!     let from = connection.principal.as_deref().unwrap_or("somebody");
//!     messaging::broadcast(&say.room, Json(Said { from, text: &say.text }))?;
//!     Ok(())
//! }
//! ```
//!
//! The crate is a `cdylib` for `wasm32-wasip2`; `tidegate.toml` names its component and grants what it may do. The host
//! makes a fresh instance for every event, so nothing is kept between two of them except what is stored.
//!
//! - [`request`]: what an event holds, and how arguments are made from it
//! - [`reply`]: what becomes a reply or a message
//! - [`error`]: a failure that the route means, with its status
//! - [`mod@authorizer`]: the decision about a handshake
//! - [`storage`]: documents in collections
//! - [`connections`]: the registry of open connections and their groups
//! - [`messaging`]: messages to connections
//! - [`config`]: configuration values and secrets
//!
//! A component imports only the interfaces that it calls, so unused modules cost nothing and need no grant.

pub mod authorizer;
#[doc(hidden)]
pub mod bindings;
pub mod config;
pub mod connections;
pub mod error;
pub mod messaging;
mod pages;
pub mod reply;
pub mod request;
pub mod storage;

pub use authorizer::Decision;
pub use error::Error;
pub use reply::{IntoPayload, IntoReply, Json, Reply};
pub use request::{Closing, Connection, Event, FromRequest, Handshake, Message, Payload, Request};
pub use serde_json::json;
pub use tidegate_guest_macros::{authorizer, route};

/// What a route returns when it can fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;
