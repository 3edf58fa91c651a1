//! What a failure means to whoever uses a store.

use tidegate_release::StoreError;

use crate::failure::Failure;

/// The error of a store. `attempted` says what and where, such as ``read the pointer in the table `releases` ``.
pub(super) fn store_error(attempted: &str, failure: Failure) -> StoreError {
    let cannot = |reason: &str| format!("cannot {attempted}: {reason}");
    match failure {
        Failure::Throttled => StoreError::Unavailable(cannot("there were too many requests")),
        Failure::Contended => StoreError::Unavailable(cannot("another write was under way")),
        Failure::Condition | Failure::Cancelled(_) => StoreError::Conflict(cannot("another process was first")),
        Failure::TooLarge => StoreError::Invalid(cannot("it is too large")),
        Failure::Invalid(reason) => StoreError::Invalid(cannot(&reason)),
        Failure::Refused(reason) => StoreError::Denied(cannot(&format!("{reason}{}", hint(&reason)))),
        Failure::Unknown(reason) => StoreError::Unavailable(cannot(&reason)),
    }
}

/// What to do about a refusal, by its name.
fn hint(reason: &str) -> &'static str {
    let name = reason.split(':').next().unwrap_or_default();
    match name {
        "AccessDenied" => "; hint: it may not be there, or the credentials may not do this",
        "AccessDeniedException" => "; hint: the credentials may not do this",
        "ResourceNotFoundException" | "NoSuchBucket" => "; hint: make deploy",
        "ExpiredToken" | "ExpiredTokenException" => "; hint: the credentials have expired, get new ones",
        "RequestTimeTooSkewed" | "RequestExpired" | "InvalidSignatureException" => {
            "; hint: is this machine's clock right?"
        }
        _ => "",
    }
}
