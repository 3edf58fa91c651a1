//! What an SDK error means.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use tidegate_ports::{registry, storage};

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

/// Kinds of [`Failure::Unknown`], of whichever service.
pub(crate) const NO_ANSWER: &str = "no answer in time";
/// The request or its answer was lost.
pub(crate) const NO_CONNECTION: &str = "the connection failed";
/// The answer is none of this operation.
pub(crate) const NO_SENSE: &str = "the answer makes no sense";

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
    /// Not applied, and repeating does not help: a missing table or permission; why.
    Refused(String),
    /// Perhaps applied: no answer, a failure of the service, or an answer that makes no sense; which.
    Unknown(String),
}

impl Failure {
    /// That a request misses a part; it was never sent.
    pub(crate) fn unbuilt(error: BuildError) -> Self {
        Self::Refused(error.to_string())
    }

    /// Whether the service said that nothing was applied, and that a later attempt may succeed.
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
        code => {
            // For the operator's log: the guest learns only that the call failed.
            tracing::error!(operation, status, code, message, "DynamoDB failed a call");
            let reason = said(status, code, message);
            if (400..500).contains(&status) { Failure::Refused(reason) } else { Failure::Unknown(reason) }
        }
    }
}

/// An error's name and message; its status where it has no name.
pub(crate) fn said(status: u16, code: &str, message: &str) -> String {
    match (code, message) {
        ("", _) => format!("status {status}"),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    }
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
    Failure::Unknown("DynamoDB cancelled the transaction".to_owned())
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
    let (kind, failure): (_, fn(String) -> Failure) = match error {
        SdkError::ConstructionFailure(_) => ("the request could not be built", Failure::Refused),
        SdkError::TimeoutError(_) => (NO_ANSWER, Failure::Unknown),
        SdkError::DispatchFailure(_) => (NO_CONNECTION, Failure::Unknown),
        _ => (NO_SENSE, Failure::Unknown),
    };
    tracing::warn!(operation, kind, "a call to DynamoDB failed");
    failure(kind.to_owned())
}

impl From<Failure> for storage::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled => Self::Throttled,
            Failure::Contended | Failure::Condition | Failure::Cancelled(_) => Self::Conflict,
            Failure::TooLarge => Self::TooLarge,
            Failure::Invalid(reason) => Self::Invalid(reason),
            Failure::Refused(_) | Failure::Unknown(_) => Self::Unavailable,
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
            Failure::Condition | Failure::Cancelled(_) | Failure::Refused(_) | Failure::Unknown(_) => Self::Unavailable,
        }
    }
}
