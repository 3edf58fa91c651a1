//! Communication with the user's terminal.
//!
//! - `output`: data on standard output
//! - `progress`: the progress of builds, on standard error
//! - `log`: the log, on standard error

pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod progress;
