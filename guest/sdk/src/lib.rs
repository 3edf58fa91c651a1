//! SDK for routes of a WebSocket API that run as WebAssembly components.
//!
//! # A complete route
//!
//! A route is a function with the attribute [`macro@route`]. The SDK makes its arguments from the event
//! ([`FromRequest`]) and its reply from the return value ([`IntoReply`]). An [`Error`] carries an HTTP status.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tidegate_guest::{Connection, Error, Json, Result, messaging, route};
//!
//! #[derive(Deserialize)]
//! struct Say { room: String, text: String }
//!
//! #[derive(Serialize)]
//! struct Said<'a> { from: &'a str, text: &'a str }
//!
//! #[route]
//! fn say(connection: &Connection, Json(say): Json<Say>) -> Result<()> {
//!     if say.text.is_empty() {
//!         return Err(Error::bad_request("`text` is empty"));
//!     }
//!     let from = connection.principal.as_deref().unwrap_or("somebody");
//!     messaging::broadcast(&say.room, Json(Said { from, text: &say.text }))?;
//!     Ok(())
//! }
//! ```
//!
//! The crate of a route is a `cdylib` for the target `wasm32-wasip2`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! serde = { version = "1", features = ["derive"] }
//! tidegate-guest = { path = "../tidegate/guest/sdk" }
//! ```
//!
//! The manifest, `tidegate.toml`, gives the component its route key and its grants:
//!
//! ```toml
//! [app]
//! name = "rooms"
//! route-selection-expression = "$request.body.action"
//!
//! [components.say]
//! source = "target/wasm32-wasip2/release/say.wasm"
//! build = "cargo build --release --target wasm32-wasip2"
//!
//! [routes.say]
//! component = "say"
//! grants.messaging = { broadcast = ["*"] }
//! ```
//!
//! The message `{"action":"say","room":"lobby","text":"hi"}` then calls the function.
//!
//! # Tour
//!
//! - [`request`]: the event, and the arguments that a route can take
//! - [`reply`]: replies and messages, and the values that a route can return
//! - [`error`]: the failure that a route returns, and its status
//! - [`mod@authorizer`]: the decision about a handshake
//! - [`storage`]: JSON documents in collections
//! - [`connections`]: the registry of open connections and their groups
//! - [`messaging`]: messages to connections
//! - [`config`]: configuration values and secrets
//!
//! # Instances and grants
//!
//! The host makes a new instance for each event, so a `static` starts over in each of them. Use [`storage`] for data
//! that must survive the event.
//!
//! A component imports only the interfaces that it calls. A module that a route does not use costs nothing and needs no
//! grant.
//!
//! # Tests
//!
//! `cargo test` runs the logic of a route natively. A call to the host panics there, so keep such calls out of the
//! functions under test.

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
/// JSON values, from `serde_json`.
///
/// ```
/// use tidegate_guest::{Json, json, route};
///
/// #[route]
/// fn ping() -> Json<impl serde::Serialize> {
///     Json(json!({ "type": "pong" }))
/// }
/// ```
pub use serde_json::json;
/// Attribute of an authorizer.
///
/// ```
/// use tidegate_guest::{Connection, Decision, Handshake, Result, authorizer};
///
/// #[authorizer]
/// fn authorize(_: &Connection, handshake: &Handshake) -> Result<Decision> {
///     Ok(handshake.query_value("name").map_or(Decision::Unauthorized, Decision::allow))
/// }
/// ```
#[doc(inline)]
pub use tidegate_guest_macros::authorizer;
/// Attribute of a route.
///
/// ```
/// use tidegate_guest::{Connection, Result, connections, route};
///
/// #[route]
/// fn join(connection: &Connection, group: &str) -> Result<()> {
///     Ok(connections::join(group, &connection.id)?)
/// }
/// ```
#[doc(inline)]
pub use tidegate_guest_macros::route;

/// The return type of a route that can fail. The error is an [`Error`] unless stated otherwise.
///
/// ```
/// use tidegate_guest::{Error, Result};
///
/// fn check(text: &str) -> Result<()> {
///     if text.is_empty() { Err(Error::bad_request("`text` is empty")) } else { Ok(()) }
/// }
///
/// assert_eq!(check("").unwrap_err().status, 400);
/// ```
pub type Result<T, E = Error> = core::result::Result<T, E>;
