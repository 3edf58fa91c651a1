//! Tests of the Runtime API, of the AWS services, and of processes that misbehave.
//!
//! The real `bootstrap` runs in `host/lambda`'s tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers fail the test, as assertions do"
)]

mod aws;
mod client;
mod environments;
mod runtime_api;
mod signing;

use std::time::Duration;

/// The time after which a test has failed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a future, and fails the test instead of waiting forever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future).await.expect("the future completes in time")
}
