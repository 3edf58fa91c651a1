//! API Gateway's WebSocket data plane and `@connections` endpoint on one machine.
//!
//! The gateway holds the sockets, selects routes, and sends API Gateway's JSON events to an [`Invoke`] port. It does
//! not know the implementation of the port. The gateway follows API Gateway's quotas and developer guide, including the
//! statuses of refused handshakes and the error frames. Definitions marked "observed" rely only on public reports, and
//! those marked "unconfirmed" are guesses.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html>
//!
//! The modules, in the order in which an event passes through them:
//!
//! - [`server`]: accepts sockets, runs until shutdown, drains; `reserve_fd`: refuses sockets when no descriptor is left
//! - `recording_stream`: the server's side of a socket; `liveness`: the detection of clients that have vanished;
//!   `heads`: request heads as the client sent them; `frames`: frame headers that RFC 6455 forbids
//! - `endpoint`: the kinds of requests, and HTTP responses
//! - [`access`]: the callers that a gateway accepts
//! - `handshake`: the upgrade request, and the statuses of refusals
//! - `authorize`: the authorizer
//! - `session`: one connection, from its handshake to its `$disconnect`
//! - `connection_task`: reads frames, runs handlers, writes messages; `pending_close`: closes a socket without a reset
//! - `integration`: one message: the invocation, the reply and the error frame
//! - [`socket_table`]: the open sockets, and the `Messaging` port
//! - `outbox`: the messages waiting to be written to one client; `write_buffer`: the frames and pongs on their way
//! - `closing`: close codes and reasons
//! - `expiry`: idle and two-hour closes
//! - `management`: the `@connections` endpoint
//! - [`gateway`]: the gateway of one API, with its clock, limits, ids and rates
//! - [`api`]: the configuration of an API; [`limits`]: the limits of a gateway; `throttle`: the rate limits of an
//!   account
//! - [`clock`]: the clock, which tests can set; `ids`: connection, request and message ids
//! - [`invoke`]: the port that invokes functions
//!
//! # Differences from API Gateway
//!
//! - The gateway has no TLS, custom domains or API keys, and only one stage. Listen on a loopback address.
//! - The headers `Host` and `Origin` are checked: API Gateway accepts the pages of every origin, and the gateway
//!   accepts those of loopback origins and of origins that the user lists ([`Access`]).
//! - A call to `@connections` must be signed with a key of [`Access::keys`]. There are no policies: a key allows every
//!   call.
//! - The rate limits of an account are off unless [`Limits::connects`] and [`Limits::requests`] are set.
//! - The gateway bounds the number of concurrent messages of one connection, and the number of open sockets.
//! - A client that acknowledges no data for [`Limits::unresponsive`] is gone. AWS does not document its time.
//! - `domainName` is the `Host` header, port included, unless the configuration sets a domain.

pub mod access;
pub mod api;
mod authorize;
pub mod clock;
mod closing;
mod connection_task;
mod endpoint;
mod expiry;
mod frames;
pub mod gateway;
mod handshake;
mod heads;
mod ids;
mod integration;
pub mod invoke;
pub mod limits;
mod liveness;
mod management;
mod outbox;
mod pending_close;
mod recording_stream;
mod reserve_fd;
pub mod server;
mod session;
pub mod socket_table;
mod throttle;
mod write_buffer;

pub use access::Access;
pub use api::{ApiConfig, AuthorizerConfig, RouteConfig};
pub use clock::Clock;
pub use gateway::Gateway;
pub use invoke::{Caller, Function, Invoke, InvokeError};
pub use limits::{Limits, Rate};
pub use server::run;
pub use socket_table::SocketTable;
