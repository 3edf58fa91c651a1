//! Function errors: what Lambda reports when a function fails.

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, parse};
use crate::text::to_json;

/// A failed invocation, as Lambda reports it.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionError {
    /// What kind of failure, such as `Tidegate.Trap`; empty when the runtime named none, as after a timeout.
    #[serde(default)]
    pub error_type: String,
    /// What happened.
    pub error_message: String,
}

impl FunctionError {
    /// The message with which an authorizer says 401.
    pub const UNAUTHORIZED: &str = "Unauthorized";

    /// The failure with which an authorizer says 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self { error_type: "Tidegate.Unauthorized".to_owned(), error_message: Self::UNAUTHORIZED.to_owned() }
    }

    /// Whether this is how an authorizer says 401: API Gateway looks at the message alone.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.error_message == Self::UNAUTHORIZED
    }
}

/// Encode a function error.
#[must_use]
pub fn encode_function_error(error: &FunctionError) -> Vec<u8> {
    to_json(error, 64 + error.error_type.len() + error.error_message.len())
}

/// Decode a function error; other members, such as `stackTrace`, are ignored.
///
/// # Errors
/// When the text is not JSON, or has no `errorMessage`.
pub fn decode_function_error(json: &[u8]) -> Result<FunctionError, DecodeError> {
    parse(json)
}
