//! Messages over HTTP: the conformance suite of the port against the gateway's `@connections`, and its behaviour on
//! failures.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

#[path = "../../../gateway/tests/gateway/client.rs"]
#[allow(dead_code, unreachable_pub, reason = "the gateway's own tests use all of it")]
mod client;
mod conformance;
mod deferred;
mod failures;
#[path = "../../../gateway/tests/gateway/harness.rs"]
#[allow(dead_code, unreachable_pub, reason = "the gateway's own tests use all of it")]
mod harness;
mod many;
#[path = "../../../gateway/tests/gateway/script.rs"]
#[allow(dead_code, unreachable_pub, reason = "the gateway's own tests use all of it")]
mod script;
#[path = "../../../gateway/tests/gateway/signing.rs"]
#[allow(dead_code, unreachable_pub, reason = "the gateway's own tests use all of it")]
mod signing;
mod stub;
