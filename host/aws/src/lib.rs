//! The ports on AWS: DynamoDB, `@connections` and Parameter Store.
//!
//! [`DynamoStorage`] and [`DynamoRegistry`] implement the capability ports on `aws-sdk-dynamodb`. On one machine the
//! SDK's HTTP client is replaced by one that answers in process, see [`client::local`]; the code here is the same.
//!
//! - [`client`]: the SDK's client as these ports need it
//! - [`tables`]: the names and the one definition of the tables
//! - [`clock`]: the time by which rows expire
//! - [`storage`]: documents in collections
//! - [`registry`]: connections and groups
//! - [`messaging`]: messages to connections
//! - [`releases`]: published releases, and which of them runs; [`s3`]: the bucket that they are in
//! - [`config`]: configuration values by name
//! - [`account`]: what the clients of one account have in common, with the feature `https`
//! - `stack`: the CloudFormation stack of a deployed stage, with the feature `stack`
//! - [`transport`]: the SDK's HTTP client over TLS, with the feature `https`
//! - [`error`]: why tables cannot be made, values not read, a stage not found, or AWS not be reached
//! - `failure`: what an SDK error means
//! - `signer`: requests that no SDK client makes
//! - `attempt`: repeating a call within its deadline
//! - `expression`: placeholders of DynamoDB's expressions
//! - `token`: random tokens, and digests of cursors

#[cfg(feature = "https")]
pub mod account;
mod attempt;
pub mod client;
pub mod clock;
pub mod config;
pub mod error;
mod expression;
mod failure;
pub mod messaging;
pub mod registry;
pub mod releases;
pub mod s3;
mod signer;
#[cfg(feature = "stack")]
pub mod stack;
pub mod storage;
pub mod tables;
mod token;
#[cfg(feature = "https")]
pub mod transport;

#[cfg(feature = "https")]
pub use account::Account;
pub use clock::Clock;
pub use config::{ConfigSource, ConfigStore};
pub use error::Error;
pub use messaging::ConnectionsMessaging;
pub use registry::DynamoRegistry;
pub use releases::AwsStore;
pub use s3::Bucket;
pub use storage::DynamoStorage;
pub use tables::{ReleaseTables, Tables};
#[cfg(feature = "https")]
pub use transport::Transport;
