//! Requests to AWS over HTTP.
//!
//! - [`transport`]: the SDK's HTTP client over TLS, with the feature `https`
//! - `signer`: Signature Version 4 for requests that no SDK client sends
//! - `retry`: retries within a deadline
//! - `clock`: the clock of AWS

pub(crate) mod clock;
pub(crate) mod retry;
pub(crate) mod signer;
#[cfg(feature = "https")]
pub mod transport;
