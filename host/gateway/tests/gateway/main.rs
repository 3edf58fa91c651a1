//! The gateway over real sockets, held against what API Gateway does.

mod backpressure;
mod closing;
mod conformance;
mod events;
mod expiry;
mod handshake;
mod harness;
mod lifecycle;
mod management;
mod routing;
