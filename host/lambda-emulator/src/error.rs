//! The errors of an invocation.

use std::path::PathBuf;

use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::FunctionError;

/// The error of an invocation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The function failed, or its process ended.
    #[error("the function failed: `{}`: {}", .0.error_type, .0.error_message)]
    Function(FunctionError),
    /// The function exceeded its timeout, and its process was killed.
    #[error("{}", .0.error_message)]
    TimedOut(FunctionError),
    /// Every environment is busy: Lambda's `TooManyRequestsException`.
    #[error("TooManyRequestsException: the function `{function}` is busy in each of {environments} environments")]
    Throttled {
        /// The name of the function.
        function: String,
        /// The maximum number of environments of the function.
        environments: usize,
    },
    /// An environment cannot be started.
    #[error("cannot start `{}`: {source}", path.display())]
    Start {
        /// The path of the bootstrap.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The function with this name is closed.
    #[error("the function `{0}` is closed")]
    Closed(String),
}

impl Error {
    /// Returns the code of the error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Function(_) => Code::InvocationFailed,
            Self::TimedOut(_) => Code::InvocationTimedOut,
            Self::Throttled { .. } => Code::InvocationThrottled,
            Self::Start { .. } => Code::EnvironmentStartFailed,
            Self::Closed(_) => Code::InvocationClosed,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let code = error.code();
        match error {
            Error::Start { path, source } => {
                Self::caused_by(code, format!("cannot start `{}`", path.display()), &source)
                    .hint("check that the file is a program for this machine")
            }
            Error::Function(error) => Self::new(
                code,
                "cannot invoke the function",
                format!("`{}`: {}", error.error_type, error.error_message),
            ),
            error => Self::new(code, "cannot invoke the function", error.to_string()),
        }
    }
}
