//! Tests of the gateway over real sockets, with the behaviour of API Gateway as the expectation.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers fail the test, as assertions do"
)]

mod access;
mod backpressure;
mod client;
mod closing;
mod conformance;
mod events;
mod expiry;
mod handshake;
mod harness;
mod heads;
mod lifecycle;
mod liveness;
mod log;
mod management;
mod protocol;
mod raw;
mod routing;
mod script;
mod signing;
