//! Messages over HTTP: the port's suite against the gateway's `@connections`, and what it does when that fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says so by panicking"
)]

mod conformance;
mod deferred;
mod failures;
#[path = "../../../gateway/tests/gateway/harness.rs"]
#[allow(dead_code, unreachable_pub, reason = "the gateway's own tests use all of it")]
mod harness;
mod many;
mod stub;
