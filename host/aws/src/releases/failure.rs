//! The store's error for each AWS failure.

use tidegate_release::StoreError;
use tidegate_release::store::StoreFailure;

use crate::failure::Failure;

/// Converts a failure. `attempted` is the operation and its place, for example ``read the rollout state in the table
/// `releases` ``.
pub(super) fn store_error(attempted: &str, failure: Failure) -> StoreError {
    let failed = |why: &str| StoreFailure::new(format!("cannot {attempted}"), why);
    match failure {
        Failure::Throttled => StoreError::Unavailable(failed("too many requests")),
        Failure::Contended => StoreError::Unavailable(failed("another write was in progress")),
        Failure::Condition | Failure::Cancelled(_) => StoreError::Conflict(failed("another process was first")),
        Failure::TooLarge => StoreError::TooLarge(failed("it is too large")),
        Failure::Invalid(reason) => StoreError::Invalid(failed(&reason)),
        Failure::Refused(reason) => StoreError::Denied(StoreFailure { hint: hint(&reason), ..failed(&reason) }),
        Failure::Unaccepted(reason) => StoreError::Unavailable(StoreFailure { hint: hint(&reason), ..failed(&reason) }),
        Failure::Unknown(reason) => StoreError::Unavailable(failed(&reason)),
    }
}

/// Returns the remedy for a rejected request, by the name of the AWS error.
fn hint(reason: &str) -> Option<String> {
    let name = reason.split(':').next().unwrap_or_default();
    let hint = match name {
        "AccessDenied" => "check that the object exists and that the credentials allow this operation",
        "AccessDeniedException" => "use credentials that allow this operation",
        "ResourceNotFoundException" | "NoSuchBucket" => "run `make deploy`",
        "ExpiredToken" | "ExpiredTokenException" => "renew the expired credentials",
        "RequestTimeTooSkewed" | "RequestExpired" | "InvalidSignatureException" => "correct the clock of this machine",
        _ => return None,
    };
    Some(hint.to_owned())
}
