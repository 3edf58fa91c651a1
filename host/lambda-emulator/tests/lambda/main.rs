//! The Runtime API as a process sees it, AWS as its requests see it, and processes that misbehave.
//!
//! The real `bootstrap` runs in `host/lambda`'s tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as the tests do"
)]

mod aws;
mod client;
mod environments;
mod runtime_api;

use std::time::Duration;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails the test instead of letting it hang.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what the test waits for did not happen")
}
