//! Lambda on one machine: a function's processes, and what they talk to.
//!
//! The real `bootstrap` runs as it does on AWS: it asks the Runtime API for events, one at a time, reaches DynamoDB and
//! Parameter Store over HTTP, and is stopped between events if that is wanted.
//!
//! - [`function`]: a function, with as many environments as events come at a time
//! - [`configuration`]: what a function is, and the environment of its processes
//! - `environment`: one process between its Runtime API and its AWS
//! - `process`: a process in a group of its own; `output`: what it writes, in the log
//! - [`runtime_api`]: Lambda's Runtime API, for one process
//! - `queue`: events on their way to one process and back; `ids`: request ids and trace ids
//! - [`aws`]: DynamoDB and Parameter Store
//! - [`server`]: HTTP on a free port of this machine, which both are served by
//! - [`error`]: why an invocation has no result

pub mod aws;
pub mod configuration;
mod environment;
pub mod error;
pub mod function;
mod ids;
mod output;
mod process;
mod queue;
pub mod runtime_api;
pub mod server;

pub use aws::Aws;
pub use configuration::Configuration;
pub use error::Error;
pub use function::Function;
pub use ids::access_key_id;
pub use runtime_api::{Answer, RuntimeApi};
pub use server::Server;
