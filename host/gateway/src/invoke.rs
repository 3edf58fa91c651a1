//! The port that invokes functions.

use async_trait::async_trait;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::{ConnectionId, FunctionError, RouteKey};
use tokio_util::sync::CancellationToken;

/// A function of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// The integration of all routes.
    Handler,
    /// The authorizer of `$connect`.
    Authorizer,
}

/// The origin of an event. A back end shares itself fairly between routes and connections.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The route of the event: `$connect` for an authorizer.
    pub route: &'a RouteKey,
    /// The connection of the event.
    pub connection: &'a ConnectionId,
    /// Cancelled once the client has left. An event that has not begun then may be dropped, except `$disconnect`.
    pub departed: &'a CancellationToken,
}

/// The error of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The function failed.
    #[error("the function failed: `{}`: {}", .0.error_type, .0.error_message)]
    FunctionError(FunctionError),
    /// The function exceeded its timeout.
    #[error("the function timed out")]
    Timeout,
    /// The function cannot be invoked, for the given reason.
    #[error("the function is unavailable: {0}")]
    Unavailable(String),
}

impl InvokeError {
    /// Returns the code of the error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::FunctionError(_) => Code::InvocationFailed,
            Self::Timeout => Code::InvocationTimedOut,
            Self::Unavailable(_) => Code::InvocationUnavailable,
        }
    }
}

impl From<InvokeError> for Diagnostic {
    fn from(error: InvokeError) -> Self {
        let why = match &error {
            InvokeError::FunctionError(error) => format!("`{}`: {}", error.error_type, error.error_message),
            InvokeError::Timeout => "the function timed out".to_owned(),
            InvokeError::Unavailable(reason) => reason.clone(),
        };
        Self::new(error.code(), "cannot invoke the function", why)
    }
}

/// Invokes functions with events. Events and results are JSON.
///
/// The gateway calls this port concurrently from the tasks of its connections. It drops an invocation in progress only
/// after the integration timeout, or after the drain time of a shutdown.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Invokes `function` with `event`, which comes from `caller`, and returns its result.
    async fn invoke(&self, function: Function, event: Vec<u8>, caller: Caller<'_>) -> Result<Vec<u8>, InvokeError>;
}
