//! What an SDK error of `@connections` means.

use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use tidegate_ports::messaging::Error;

/// Maps an error of any operation by its status, which is there even when the body makes no sense.
pub(super) fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> Error {
    let Some(status) = error.raw_response().map(|response| response.status().as_u16()) else {
        return transport(operation, error);
    };
    let (failure, lasting) = match status {
        410 => (Error::Gone, false),
        413 => (Error::TooLarge, false),
        429 => (Error::Throttled, false),
        401 | 403 => (Error::Forbidden, true),
        400 => (Error::Invalid("API Gateway does not accept this connection id".to_owned()), false),
        _ => (Error::Unavailable, (400..500).contains(&status)),
    };
    let (code, message) = (error.code().unwrap_or("none"), error.message().unwrap_or_default());
    if lasting {
        // For the operator: the next call will fail as well.
        tracing::error!(
            operation,
            status,
            code,
            message,
            "@connections refused a call; hint: check API_GATEWAY_URL and the role's `execute-api:ManageConnections`"
        );
    } else if failure == Error::Unavailable {
        tracing::warn!(operation, status, code, message, "@connections failed a call");
    }
    failure
}

fn transport<E: std::error::Error + 'static>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Error {
    let kind = match error {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "the connection failed",
        _ => "the answer makes no sense",
    };
    tracing::warn!(operation, kind, reason = chain(error), "a call to @connections failed");
    match error {
        SdkError::ConstructionFailure(_) => Error::Invalid("the request could not be built".to_owned()),
        _ => Error::Unavailable,
    }
}

/// What the transport said, from the outermost on, for the operator's log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
