//! The port to the functions.

use async_trait::async_trait;
use tidegate_event::FunctionError;

/// Which of the API's functions an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// The integration of every route.
    Handler,
    /// The authorizer.
    Authorizer,
}

/// Why an invocation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The function failed.
    #[error("the function failed: `{}`: {}", .0.error_type, .0.error_message)]
    FunctionError(FunctionError),
    /// The function took longer than it may.
    #[error("the function timed out")]
    Timeout,
    /// There is no function to invoke; why.
    #[error("the function is unavailable: {0}")]
    Unavailable(String),
}

/// Invokes a function with an event and answers its result, both as JSON.
///
/// The gateway invokes from the tasks of its connections, many at a time, and never drops an invocation under way except
/// when the integration timeout has passed or a shutdown has waited long enough.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Invokes `function` with `event`.
    async fn invoke(&self, function: Function, event: Vec<u8>) -> Result<Vec<u8>, InvokeError>;
}
