//! Classification of SDK errors of `@connections`.

use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use tidegate_diagnostic::{Code, chain};
use tidegate_ports::messaging::Error;

use crate::failure::{NOT_BUILT, code_of, describe_error, transport_reason};
use crate::http::clock;

/// Classifies an error of any operation by its HTTP status, which does not depend on a valid body.
pub(super) fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> Error {
    let Some(status) = error.raw_response().map(|response| response.status().as_u16()) else {
        return transport(operation, error);
    };
    match status {
        410 => return Error::Gone,
        413 => return Error::TooLarge,
        429 => return Error::Throttled,
        // Not delivered, and a later attempt has the right time.
        403 if clock::is_skewed(error.code().unwrap_or_default(), error.message().unwrap_or_default()) => {
            return Error::Throttled;
        }
        400 => return Error::Invalid("API Gateway does not accept this connection id".to_owned()),
        _ => {}
    }
    let reason = describe_error(status, error.code().unwrap_or_default(), error.message().unwrap_or_default());
    if !(400..500).contains(&status) {
        let code = code_of(&reason).as_str();
        tracing::warn!(code, operation, status, reason = %reason, "@connections failed a request");
        return Error::Unavailable;
    }
    // Later requests will fail as well, so an operator must act.
    let forbidden = matches!(status, 401 | 403);
    let code = if forbidden { Code::AwsAccessDenied } else { code_of(&reason) };
    tracing::error!(
        code = code.as_str(),
        hint = "check `API_GATEWAY_URL`, and `execute-api:ManageConnections` of the role",
        operation,
        status,
        reason = %reason,
        "@connections refused a request"
    );
    if forbidden { Error::Forbidden } else { Error::Unavailable }
}

fn transport<E: std::error::Error + 'static>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error {
    let code = code_of(transport_reason(error)).as_str();
    tracing::warn!(code, operation, reason = chain(error), "no valid answer from @connections");
    match error {
        SdkError::ConstructionFailure(_) => Error::Invalid(NOT_BUILT.to_owned()),
        _ => Error::Unavailable,
    }
}
