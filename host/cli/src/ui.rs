//! Communication with the user's terminal.
//!
//! - `error`: the error that ends a command
//! - `terminal`: the standard streams; `writer`: the thread that writes them
//! - `progress`: the progress of builds, on standard error
//! - `log`: the log, on standard error

pub(crate) mod error;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod terminal;
pub(crate) mod writer;
