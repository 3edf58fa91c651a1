//! Function errors, the reports of failed invocations.

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, parse};
use crate::text::to_json;

/// A failed invocation in Lambda's format.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionError {
    /// The kind of failure, for example `Tidegate.Trap`. Empty if Lambda reports none, for example after a timeout.
    #[serde(default)]
    pub error_type: String,
    /// The description of the failure.
    pub error_message: String,
}

impl FunctionError {
    /// The error message with which an authorizer makes API Gateway respond with 401.
    pub const UNAUTHORIZED: &str = "Unauthorized";

    /// Returns the function error with which an authorizer makes API Gateway respond with 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self { error_type: "Tidegate.Unauthorized".to_owned(), error_message: Self::UNAUTHORIZED.to_owned() }
    }

    /// Returns true if API Gateway responds with 401 to this error of an authorizer. Only the message counts.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.error_message == Self::UNAUTHORIZED
    }
}

/// Encodes a function error as JSON.
#[must_use]
pub fn encode_function_error(error: &FunctionError) -> Vec<u8> {
    to_json(error, 64 + error.error_type.len() + error.error_message.len())
}

/// Decodes a function error. Ignores other members, for example `stackTrace`.
///
/// # Errors
/// [`DecodeError`] if the text is not a JSON object with an `errorMessage`.
pub fn decode_function_error(json: &[u8]) -> Result<FunctionError, DecodeError> {
    parse(json)
}
