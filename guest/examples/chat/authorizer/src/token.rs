//! Verification of a token: a JSON Web Token (RFC 7519) with an HS256 signature.

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, ParseError, UntrustedToken, ValidationError};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The reason why a token is refused. It is logged; the client sees only the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The token does not have three parts of base64url, or a part is not the JSON that it must be.
    #[error("it is not a JSON Web Token")]
    Malformed,
    /// The header names another algorithm, for example `none`.
    #[error("its algorithm is not HS256")]
    Algorithm,
    /// The header lists extensions in `crit`. RFC 7515 section 4.1.11: unknown ones must be refused.
    #[error("its header requires an extension")]
    Extension,
    /// The token was signed with another secret, or changed after it was signed.
    #[error("its signature is wrong")]
    Signature,
    /// The token has no `exp`, so it would never expire.
    #[error("it has no expiry")]
    NoExpiry,
    /// The time is at or after `exp`.
    #[error("it has expired")]
    Expired,
    /// The time is before `nbf`.
    #[error("it is not valid yet")]
    TooEarly,
    /// `sub` is missing or empty.
    #[error("it has no subject")]
    NoSubject,
}

#[derive(Clone, Deserialize)]
struct HeaderExtensions {
    crit: Option<IgnoredAny>,
}

/// The claims in addition to `exp` and `nbf`, which the library reads.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
}

/// Returns the subject of a token that is valid at `now`, in milliseconds since the Unix epoch.
///
/// There is no leeway. The library reads `exp` and `nbf` in whole seconds and drops a fraction.
///
/// # Errors
///
/// The first check that fails, as a [`Refusal`]. The signature is compared in constant time.
pub(crate) fn verify(token: &str, secret: &str, now: u64) -> Result<String, Refusal> {
    let token = UntrustedToken::<HeaderExtensions>::try_from(token)?;
    if token.header().other_fields.crit.is_some() {
        return Err(Refusal::Extension);
    }
    let key = Hs256Key::new(secret);
    let token = Hs256.validator::<Claims>(&key).validate(&token)?;
    let claims = token.claims();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let expiry = claims.expiration.ok_or(Refusal::NoExpiry)?;
    if now >= expiry.timestamp_millis() {
        return Err(Refusal::Expired);
    }
    if claims.not_before.is_some_and(|not_before| now < not_before.timestamp_millis()) {
        return Err(Refusal::TooEarly);
    }
    claims.custom.sub.clone().filter(|subject| !subject.is_empty()).ok_or(Refusal::NoSubject)
}

impl From<ParseError> for Refusal {
    fn from(_: ParseError) -> Self {
        Self::Malformed
    }
}

impl From<ValidationError> for Refusal {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::AlgorithmMismatch { .. } => Self::Algorithm,
            ValidationError::MalformedClaims(_) => Self::Malformed,
            _ => Self::Signature,
        }
    }
}

#[cfg(test)]
mod tests;
