//! The gateway over real sockets, held against what API Gateway does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of tests fail tests"
)]

mod backpressure;
mod closing;
mod conformance;
mod events;
mod expiry;
mod handshake;
mod harness;
mod lifecycle;
mod management;
mod protocol;
mod raw;
mod routing;
