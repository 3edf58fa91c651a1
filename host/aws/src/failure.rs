//! What an SDK error means.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use tidegate_capability::{registry, storage};

/// What DynamoDB calls an item above 400 KB, in a put and in an update.
const TOO_LARGE_MESSAGES: [&str; 2] = ["Item size has exceeded", "Item size to update has exceeded"];
/// Parts of DynamoDB's messages about an update that the stored document does not allow, and what they mean.
const UPDATE_MESSAGES: [(&str, &str); 5] = [
    ("document path", "a path leads through a member that does not exist or is no object"),
    ("incorrect data type", "a change does not fit the type of the member that is there"),
    ("Type mismatch for attribute", "a change does not fit the type of the member that is there"),
    ("Number overflow", "a number leaves DynamoDB's range of about 10^126, or has over 38 digits"),
    ("Nesting Levels", "the document would be nested deeper than 32 levels"),
];

/// Why a call failed, as far as a caller acts on it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not applied: there were too many requests.
    Throttled,
    /// Not applied: another write of the item was under way.
    Contended,
    /// Not applied: the condition did not hold.
    Condition,
    /// Not applied: why, for each operation of the transaction.
    Cancelled(Vec<CancellationReason>),
    /// Not applied: above a limit of size.
    TooLarge,
    /// Not applied: not allowed; why.
    Invalid(String),
    /// Not applied, and repeating does not help: a missing table or permission.
    Refused,
    /// Perhaps applied: no answer, a failure of the service, or an answer that makes no sense.
    Unknown,
}

impl Failure {
    /// Whether DynamoDB said that nothing was applied, and that a later attempt may succeed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled | Self::Contended)
    }
}

/// Maps an error of any operation by its name.
pub(crate) fn classify<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Failure {
    let SdkError::ServiceError(service) = error else {
        return transport(operation, error);
    };
    let status = service.raw().status().as_u16();
    let message = error.message().unwrap_or_default();
    let failure = match error.code().unwrap_or_default() {
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
        "ValidationException" => return validation(operation, message),
        _ if status == 413 => Failure::TooLarge,
        _ if status == 429 => Failure::Throttled,
        _ if (400..500).contains(&status) => Failure::Refused,
        _ => Failure::Unknown,
    };
    if matches!(failure, Failure::Refused | Failure::Unknown) {
        // For the operator's log: the guest learns only that the call failed.
        let code = error.code().unwrap_or("none");
        tracing::error!(operation, status, code, message, "DynamoDB failed a call");
    }
    failure
}

/// What a cancelled transaction means as a whole: the most lasting of its reasons.
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
    tracing::error!(code = ?reasons.iter().map(CancellationReason::code).collect::<Vec<_>>(), "a transaction failed");
    Failure::Unknown
}

/// What a ValidationException means. Requests are checked before they are sent, so what is left depends on the item.
fn validation(operation: &'static str, message: &str) -> Failure {
    if TOO_LARGE_MESSAGES.iter().any(|part| message.contains(part)) {
        return Failure::TooLarge;
    }
    if let Some((_, meaning)) = UPDATE_MESSAGES.iter().find(|(part, _)| message.contains(part)) {
        return Failure::Invalid((*meaning).to_owned());
    }
    tracing::error!(operation, message, "DynamoDB found a request invalid");
    Failure::Invalid("DynamoDB does not allow this request".to_owned())
}

fn transport<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Failure {
    let (kind, failure) = match error {
        SdkError::ConstructionFailure(_) => ("the request could not be built", Failure::Refused),
        SdkError::TimeoutError(_) => ("no answer in time", Failure::Unknown),
        SdkError::DispatchFailure(_) => ("the connection failed", Failure::Unknown),
        _ => ("the answer makes no sense", Failure::Unknown),
    };
    tracing::warn!(operation, kind, "a call to DynamoDB failed");
    failure
}

impl From<Failure> for storage::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled => Self::Throttled,
            Failure::Contended | Failure::Condition | Failure::Cancelled(_) => Self::Conflict,
            Failure::TooLarge => Self::TooLarge,
            Failure::Invalid(reason) => Self::Invalid(reason),
            Failure::Refused | Failure::Unknown => Self::Unavailable,
        }
    }
}

impl From<Failure> for registry::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            // Another event changes the same row, and the deadline came before it was this call's turn.
            Failure::Throttled | Failure::Contended => Self::Throttled,
            Failure::TooLarge => Self::Invalid("the row would be too large".to_owned()),
            Failure::Invalid(reason) => Self::Invalid(reason),
            Failure::Condition | Failure::Cancelled(_) | Failure::Refused | Failure::Unknown => Self::Unavailable,
        }
    }
}
