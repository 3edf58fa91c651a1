//! Communication with the user's terminal.
//!
//! - `error`: the error that ends a command
//! - `output`: data on standard output
//! - `progress`: the progress of builds, on standard error
//! - `log`: the log, on standard error

pub(crate) mod error;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod progress;
