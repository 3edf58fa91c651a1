//! Storage and the registry on DynamoDB.
//!
//! - [`client`]: the SDK's client, configured for the ports
//! - [`tables`]: the names and the definition of the tables
//! - [`storage`]: documents in collections
//! - [`registry`]: connections and groups
//! - [`clock`]: the clock that expires rows
//! - `expression`: placeholders of DynamoDB's expressions
//! - `token`: random tokens, and digests of cursors

pub mod client;
pub mod clock;
pub(crate) mod expression;
pub mod registry;
pub mod storage;
pub mod tables;
pub(crate) mod token;
