//! Communication with the user's terminal.
//!
//! - `error`: the error that ends a command
//! - `terminal`: the standard streams; `writer`: the thread that writes them
//! - `secret`: private keys in text that is about to be printed
//! - `progress`: the progress of builds, on standard error
//! - `log`: the log, on standard error; `log_fields`: the fields of its lines

pub(crate) mod error;
pub(crate) mod log;
mod log_fields;
pub(crate) mod progress;
pub(crate) mod secret;
pub(crate) mod terminal;
pub(crate) mod writer;
