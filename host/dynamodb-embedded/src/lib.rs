//! DynamoDB in process, behind the AWS SDK's HTTP client interface.
//!
//! The engine is dynoxide, which keeps its tables in SQLite. The SDK builds, signs and parses every request as it does
//! for AWS; only the transport is replaced, so that what runs on one machine is what runs there.
//!
//! - [`engine`]: the database, in memory or in a file
//! - [`connector`]: the SDK's HTTP client over an engine
//! - `operation`: one DynamoDB request to one answer
//! - `replay`: transactions that were applied, by their client tokens
//! - `worker`: the thread that a file's database lives on
//! - [`error`]: why a database cannot be opened

pub mod connector;
pub mod engine;
pub mod error;
mod operation;
mod replay;
mod worker;

pub use engine::Embedded;
pub use error::Error;
