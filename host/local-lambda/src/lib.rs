//! Lambda on one machine: what a function's process talks to.
//!
//! A real `bootstrap` runs against it as it does on AWS: it asks the Runtime API for events, and reaches DynamoDB and
//! Parameter Store over HTTP.
//!
//! - [`runtime_api`]: Lambda's Runtime API, for one process
//! - [`aws`]: DynamoDB and Parameter Store
//! - `ids`: request ids and trace ids
//! - [`server`]: HTTP on a free port of this machine, which both are served by

pub mod aws;
mod ids;
pub mod runtime_api;
pub mod server;

pub use aws::Aws;
pub use runtime_api::{Answer, RuntimeApi};
pub use server::Server;
