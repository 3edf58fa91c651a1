//! Lambda on one machine: the processes of a function, and the services they call.
//!
//! The real `bootstrap` runs as on AWS. It requests events from the Runtime API, one at a time, and calls DynamoDB and
//! Parameter Store over HTTP. It is stopped between events if the function is configured for freezing.
//!
//! - [`function`]: a function, with one environment for each concurrent event
//! - [`configuration`]: the configuration of a function, and the environment of its processes
//! - `environment`: one process, its Runtime API and its AWS services
//! - `process`: a process in a separate group; `output`: copies its output to the log
//! - [`runtime_api`]: Lambda's Runtime API, for one process
//! - `queue`: the events of one process; `ids`: request ids and trace ids
//! - [`aws`]: DynamoDB and Parameter Store
//! - [`server`]: the HTTP server of the Runtime API and of the services
//! - [`error`]: the errors of an invocation
//!
//! Other programs of the machine reach these servers too. The Runtime API of each process has a secret in its path, the
//! services verify signatures, and every server refuses requests for another name and requests of web pages.

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
pub use runtime_api::{Answer, RuntimeApi};
pub use server::Server;
