//! API Gateway's WebSocket data plane and @connections endpoint on one machine.
//!
//! The gateway holds the sockets, selects routes, and speaks API Gateway's JSON events to an [`Invoke`] port; what runs
//! behind that port it does not know. It keeps the behaviour of API Gateway's quotas and developer guide pages, the
//! statuses of a refused handshake and the error frames included; what is known only from public reports, or guessed, is
//! marked so where it is defined.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html>
//!
//! In the order of an event's way through the gateway:
//!
//! - [`server`]: accepts sockets, runs until shutdown, drains
//! - `head`: the names of a request's headers as the client sent them
//! - `endpoint`: which of the two things on the port a request is for
//! - `handshake`: the upgrade request, and every status that refuses it
//! - `authorize`: the authorizer of the handshake
//! - `session`: one connection from its handshake to its `$disconnect`
//! - `pump`: what one open socket reads and writes
//! - `frames`: frame headers that RFC 6455 forbids
//! - `integration`: one message through its route, replies and error frames
//! - [`connections`]: the open sockets; the `Messaging` port
//! - `outbox`: what waits to be written to one client
//! - `closing`: close codes and reasons
//! - `expiry`: idle and two-hour closes
//! - `management`: the @connections endpoint
//! - [`api`]: the API's configuration; [`limits`]: every number; `throttle`: the account's rates
//! - [`clock`]: the time, which tests can drive; `ids`: connection, request and message ids
//! - [`invoke`]: the port to the functions
//!
//! # What differs from API Gateway
//!
//! - No TLS, no custom domains, no API keys, and one stage. Listen on a loopback address.
//! - A call of @connections must carry a SigV4 `Authorization` header, as AWS SDKs send it, or it is refused as an unsigned
//!   one; its signature is **not** verified. Whoever reaches the port can send to, describe and close connections.
//! - The account's rates are off unless [`Limits::connects`] and [`Limits::requests`] turn them on.
//! - The messages of one connection that are handled at a time, and the sockets that are open, are bounded.
//! - `domainName` is the `Host` header, port included, unless the configuration names one.

pub mod api;
mod authorize;
pub mod clock;
mod closing;
pub mod connections;
mod endpoint;
mod expiry;
mod frames;
mod gateway;
mod handshake;
mod head;
mod ids;
mod integration;
pub mod invoke;
pub mod limits;
mod management;
mod outbox;
mod pump;
pub mod server;
mod session;
mod throttle;

pub use api::{ApiConfig, AuthorizerConfig, IdentitySource, RouteConfig};
pub use clock::Clock;
pub use connections::Connections;
pub use gateway::Gateway;
pub use invoke::{Function, Invoke, InvokeError};
pub use limits::{Limits, Rate};
pub use server::run;
