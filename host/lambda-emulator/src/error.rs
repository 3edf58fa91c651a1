//! Why an invocation has no result.

use std::path::PathBuf;

use tidegate_event::FunctionError;

/// Why an invocation has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The function said that it failed, or its process ended.
    #[error("the function failed: `{}`: {}", .0.error_type, .0.error_message)]
    Function(FunctionError),
    /// The function took longer than its timeout, and was ended.
    #[error("{}", .0.error_message)]
    TimedOut(FunctionError),
    /// Every environment that may run is busy: Lambda's `TooManyRequestsException`.
    #[error("TooManyRequestsException: the function `{function}` is busy in each of {environments} environments")]
    Throttled {
        /// The function.
        function: String,
        /// How many environments may run.
        environments: usize,
    },
    /// An environment cannot be made.
    #[error("cannot start `{}`: {source}", path.display())]
    Start {
        /// The bootstrap.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The event was dropped unanswered.
    #[error("the function `{0}` was closed")]
    Closed(String),
}
