//! DynamoDB in process, behind the AWS SDK's HTTP client interface.
//!
//! The engine is dynoxide, which stores tables in SQLite. The SDK builds, signs and parses every request as it does for
//! AWS, and only the transport is replaced. A program therefore runs the same code on one machine and on AWS.
//!
//! - [`engine`]: the database, in memory or in a file
//! - [`connector`]: the SDK's HTTP client for an engine
//! - `operation`: the dispatch of requests to the engine
//! - `replay`: idempotency of transactions with a client token
//! - `worker`: the thread of a database in a file
//! - [`error`]: errors of opening and sweeping a database

pub mod connector;
pub mod engine;
pub mod error;
mod operation;
mod replay;
mod worker;

pub use engine::Embedded;
pub use error::Error;
