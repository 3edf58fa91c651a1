//! The ports on AWS: DynamoDB, `@connections`, S3, and Parameter Store or Secrets Manager.
//!
//! [`DynamoStorage`] and [`DynamoRegistry`] implement their ports with `aws-sdk-dynamodb`. `tidegate dev` runs the same
//! code with an in-process HTTP client, see [`dynamodb::client::local`].
//!
//! - [`dynamodb`]: storage and the registry
//! - [`apigateway`]: messages to connections
//! - [`releases`]: the store of releases; [`s3`]: its bucket
//! - [`config`]: configuration values by name
//! - [`account`]: the clients of one account, with the feature `https`
//! - `stack`: the CloudFormation stack of a deployed stage, with the feature `stack`
//! - [`http`]: the transport, the signer and the retry loop of every request
//! - `failure`: AWS errors, classified by what a caller can do
//! - [`error`]: errors of tables, configuration values and the transport

#[cfg(feature = "https")]
pub mod account;
pub mod apigateway;
pub mod config;
pub mod dynamodb;
pub mod error;
mod failure;
pub mod http;
pub mod releases;
pub mod s3;
#[cfg(feature = "stack")]
pub mod stack;

#[cfg(feature = "https")]
pub use account::Account;
pub use apigateway::ConnectionsMessaging;
pub use config::{ConfigSource, ConfigStore};
pub use dynamodb::clock::Clock;
pub use dynamodb::registry::DynamoRegistry;
pub use dynamodb::storage::DynamoStorage;
pub use dynamodb::tables::{ReleaseTables, Tables};
pub use error::Error;
#[cfg(feature = "https")]
pub use http::transport::Transport;
pub use releases::AwsStore;
pub use s3::Bucket;
