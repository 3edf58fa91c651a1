//! AWS errors, classified by what a caller can do.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_types::retry::ErrorKind;
use tidegate_diagnostic::Code;
use tidegate_ports::{registry, storage};

use crate::http::clock;

/// Parts of DynamoDB's messages about an item above 400 KB, in a put and in an update.
const TOO_LARGE_MESSAGES: [&str; 2] = ["Item size has exceeded", "Item size to update has exceeded"];
/// Parts of DynamoDB's messages about an update that the stored document does not allow, each with the text for the
/// guest.
const UPDATE_MESSAGES: [(&str, &str); 5] = [
    ("document path", "a path leads through a member that does not exist or is not an object"),
    ("incorrect data type", "a change does not fit the type of the existing member"),
    ("Type mismatch for attribute", "a change does not fit the type of the existing member"),
    ("Number overflow", "a number is outside DynamoDB's range of about ±10^126, or has more than 38 digits"),
    ("Nesting Levels", "the document would be nested deeper than 32 levels"),
];

/// The reason for a request that could not be built, so it was not sent.
pub(crate) const NOT_BUILT: &str = "the request could not be built";
/// The reason for a request that got no response before its time limit.
pub(crate) const NO_ANSWER: &str = "no answer in time";
/// The reason for a request whose connection failed before the response was complete.
pub(crate) const NO_CONNECTION: &str = "the connection failed";
/// The kind of the transport's error for a request that was not sent, because no connection was made.
pub(crate) const UNSENT: ErrorKind = ErrorKind::TransientError;
/// The reason for a request whose response is not in the format of the operation.
pub(crate) const INVALID_ANSWER: &str = "the answer is not valid";

/// A failed request. "Not applied" means that AWS definitely did not make the change.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not applied: AWS throttled the request.
    Throttled,
    /// Not applied: another write of the item was in progress.
    Contended,
    /// Not applied: the condition of the request was false.
    Condition,
    /// Not applied: the transaction was cancelled. Each of its operations has a reason.
    Cancelled(Vec<CancellationReason>),
    /// Not applied: the item or the response exceeds a size limit.
    TooLarge,
    /// Not applied: the request is invalid, for this reason.
    Invalid(String),
    /// Not applied, and a retry does not help. For example, a table or a permission is missing.
    Refused(String),
    /// Not applied: no connection was made, or the signature had a time that AWS does not accept.
    Unaccepted(String),
    /// Possibly applied: there was no response, the service failed, or the response is invalid.
    Unknown(String),
}

impl Failure {
    /// Creates the failure of a request that was not sent because it lacks a required part.
    pub(crate) fn not_built(error: BuildError) -> Self {
        Self::Refused(error.to_string())
    }

    /// Returns true if AWS did not apply the request and a later attempt may succeed.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Throttled | Self::Contended | Self::Unaccepted(_))
    }
}

/// Classifies an error of any DynamoDB operation by its code, and logs it if an operator must act on it.
pub(crate) fn classify<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Failure {
    let SdkError::ServiceError(service) = error else {
        return transport(operation, error);
    };
    let status = service.raw().status().as_u16();
    let message = error.message().unwrap_or_default();
    match error.code().unwrap_or_default() {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown" => Failure::Throttled,
        "TransactionConflictException" | "TransactionInProgressException" | "ReplicatedWriteConflictException" => {
            Failure::Contended
        }
        "ConditionalCheckFailedException" => Failure::Condition,
        "ItemCollectionSizeLimitExceededException" | "RequestTooLarge" => Failure::TooLarge,
        "ValidationException" => validation(operation, message),
        _ if status == 413 => Failure::TooLarge,
        _ if status == 429 => Failure::Throttled,
        code if clock::is_skewed(code, message) => {
            tracing::warn!(operation, reason = code, "the clock of this machine differs from that of AWS");
            Failure::Unaccepted(describe_error(status, code, message))
        }
        code => {
            let reason = describe_error(status, code, message);
            // The guest learns only that the call failed.
            tracing::error!(
                code = code_of(&reason).as_str(),
                operation,
                status,
                reason = %reason,
                "DynamoDB refused or failed a request"
            );
            if (400..500).contains(&status) { Failure::Refused(reason) } else { Failure::Unknown(reason) }
        }
    }
}

/// Returns the stable code for a reason: AWS's error code and message, or one of the constants of this module.
pub(crate) fn code_of(reason: &str) -> Code {
    match reason.split(':').next().unwrap_or_default() {
        "AccessDenied" | "AccessDeniedException" => Code::AwsAccessDenied,
        "ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            Code::AwsCredentialsExpired
        }
        NO_ANSWER | NO_CONNECTION => Code::AwsUnreachable,
        INVALID_ANSWER => Code::AwsAnswerInvalid,
        // Only the local database has this error.
        "DatabaseFailed" => Code::DatabaseFailed,
        _ => Code::AwsRefused,
    }
}

/// Returns `code: message`, or the HTTP status if AWS sent no code. The message about a wrong signature is left out,
/// because some services quote the request in it, with its session token.
pub(crate) fn describe_error(status: u16, code: &str, message: &str) -> String {
    match (code, message) {
        ("", _) => format!("status {status}"),
        ("InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature", _) => code.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    }
}

/// Classifies a failed transaction by the most permanent of its reasons.
pub(crate) fn cancelled(error: SdkError<TransactWriteItemsError, HttpResponse>) -> Failure {
    let refusal = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(refusal)) => refusal,
        _ => return classify("TransactWriteItems", &error),
    };
    let reasons = refusal.cancellation_reasons();
    let find = |codes: &[&str]| reasons.iter().find(|reason| reason.code().is_some_and(|code| codes.contains(&code)));
    if let Some(reason) = find(&["ValidationError"]) {
        return validation("TransactWriteItems", reason.message().unwrap_or_default());
    }
    if find(&["ItemCollectionSizeLimitExceeded"]).is_some() {
        return Failure::TooLarge;
    }
    if find(&["ConditionalCheckFailed"]).is_some() {
        return Failure::Cancelled(reasons.to_vec());
    }
    if find(&["TransactionConflict"]).is_some() {
        return Failure::Contended;
    }
    if find(&["ThrottlingError", "ProvisionedThroughputExceeded"]).is_some() {
        return Failure::Throttled;
    }
    let codes: Vec<_> = reasons.iter().filter_map(CancellationReason::code).collect();
    tracing::error!(
        code = Code::AwsRefused.as_str(),
        operation = "TransactWriteItems",
        reason = codes.join(", "),
        "DynamoDB cancelled a transaction"
    );
    Failure::Unknown("DynamoDB cancelled the transaction".to_owned())
}

/// Classifies a ValidationException. Requests are validated before they are sent, so the cause is the stored item.
fn validation(operation: &'static str, message: &str) -> Failure {
    if TOO_LARGE_MESSAGES.iter().any(|part| message.contains(part)) {
        return Failure::TooLarge;
    }
    if let Some((_, meaning)) = UPDATE_MESSAGES.iter().find(|(part, _)| message.contains(part)) {
        return Failure::Invalid((*meaning).to_owned());
    }
    tracing::error!(
        code = Code::AwsRefused.as_str(),
        operation,
        reason = message,
        "DynamoDB rejected a request as invalid"
    );
    Failure::Invalid("DynamoDB does not allow this request".to_owned())
}

fn transport<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Failure {
    let reason = transport_reason(error);
    tracing::warn!(code = code_of(reason).as_str(), operation, reason, "no valid answer from DynamoDB");
    match error {
        SdkError::ConstructionFailure(_) => Failure::Refused(reason.to_owned()),
        // The transport marks the errors of connecting.
        SdkError::DispatchFailure(failure) if failure.as_other() == Some(UNSENT) => {
            Failure::Unaccepted(reason.to_owned())
        }
        _ => Failure::Unknown(reason.to_owned()),
    }
}

/// Returns the reason for an error that is not an error response from a service.
pub(crate) fn transport_reason<E, R>(error: &SdkError<E, R>) -> &'static str {
    match error {
        SdkError::ConstructionFailure(_) => NOT_BUILT,
        SdkError::TimeoutError(_) => NO_ANSWER,
        SdkError::DispatchFailure(_) => NO_CONNECTION,
        _ => INVALID_ANSWER,
    }
}

impl From<Failure> for storage::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled => Self::Throttled,
            Failure::Contended | Failure::Condition | Failure::Cancelled(_) => Self::Conflict,
            Failure::TooLarge => Self::TooLarge,
            Failure::Invalid(reason) => Self::Invalid(reason),
            Failure::Refused(_) | Failure::Unaccepted(_) | Failure::Unknown(_) => Self::Unavailable,
        }
    }
}

impl From<Failure> for registry::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            // Other events kept changing the same row until the deadline.
            Failure::Throttled | Failure::Contended => Self::Throttled,
            Failure::TooLarge => Self::Invalid("the row would be too large".to_owned()),
            Failure::Invalid(reason) => Self::Invalid(reason),
            Failure::Condition
            | Failure::Cancelled(_)
            | Failure::Refused(_)
            | Failure::Unaccepted(_)
            | Failure::Unknown(_) => Self::Unavailable,
        }
    }
}
