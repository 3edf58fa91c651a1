//! Signature Version 4, verified with the keys of a run.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! The signature must be in the header `Authorization`, and cover the method, the path, the query, the body, `Host` and
//! `X-Amz-Date`. The path is encoded once more than in the request line, as every service but S3 does.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use subtle::ConstantTimeEq as _;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::keys::Keys;

/// The maximum difference between the time of a signature and the clock, as in AWS.
pub const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
/// The length of the date in [`TIME`].
const DATE_CHARACTERS: usize = 8;
const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");
/// The length of a time in [`TIME`].
const TIME_CHARACTERS: usize = 16;

/// The Region and the service that a signature must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The Region, for example `eu-west-1`.
    pub region: &'a str,
    /// The service, for example `execute-api`.
    pub service: &'a str,
}

/// A request that claims to be signed with a known key. It is not verified yet.
#[derive(Debug)]
pub struct Claim<'a> {
    credentials: &'a Credentials,
    scope: Scope<'a>,
    time: SystemTime,
    /// The names of the signed headers.
    signed: Vec<String>,
    signature: String,
}

/// The reason why a request is not accepted. Its text is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature of this kind.
    #[error("Missing Authentication Token")]
    Missing,
    /// The signature has not all its parts, or has them twice.
    #[error("{0}")]
    Incomplete(String),
    /// The key or the session token is not one of this run.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The signature is for another time, scope or request.
    #[error("{0}")]
    Invalid(String),
}

impl SignatureError {
    /// Returns AWS's name of the error.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Invalid(_) => "InvalidSignatureException",
        }
    }
}

impl Keys {
    /// Reads the signature of a request, and checks everything about it that does not need the body. `now` is the time
    /// of the clock.
    ///
    /// # Errors
    /// The request is not signed with one of these keys, for this scope, at this time.
    pub fn claim<'a>(
        &'a self,
        request: &Parts,
        scope: Scope<'a>,
        now: SystemTime,
    ) -> Result<Claim<'a>, SignatureError> {
        let authorization = only(&request.headers, AUTHORIZATION.as_str())?.ok_or(SignatureError::Missing)?;
        let parameters = authorization.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' '));
        let parameters = Parameters::parse(parameters.ok_or(SignatureError::Missing)?)?;
        let date = only(&request.headers, DATE)?.ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        })?;
        let time = parse_time(date).ok_or_else(|| {
            incomplete("Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601")
        })?;
        let (access_key_id, signed_scope) = parameters.credential.split_once('/').unwrap_or_default();
        let credentials = self.find(access_key_id).ok_or(SignatureError::UnknownKey)?;
        check_token(credentials, only(&request.headers, TOKEN)?)?;
        check_scope(signed_scope, scope, date)?;
        check_time(time, date, now)?;
        let signed: Vec<String> = parameters.signed_headers.split(';').map(str::to_owned).collect();
        for (needed, title) in [("host", "Host"), (DATE, "X-Amz-Date")] {
            if !signed.iter().any(|name| name == needed) {
                return Err(invalid(format!("'{title}' must be a 'SignedHeader' in the AWS Authorization.")));
            }
        }
        Ok(Claim { credentials, scope, time, signed, signature: parameters.signature.to_owned() })
    }
}

impl Claim<'_> {
    /// Verifies the signature of the request with its whole body.
    ///
    /// # Errors
    /// The signature is that of another request or another secret key.
    pub fn verify(&self, request: &Parts, body: &[u8]) -> Result<(), SignatureError> {
        let expected = self.expected(request, body).ok_or_else(mismatch)?;
        if bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes())) { Ok(()) } else { Err(mismatch()) }
    }

    /// Returns the signature of the request, or `None` if the request cannot be signed.
    fn expected(&self, request: &Parts, body: &[u8]) -> Option<String> {
        let identity = self.credentials.clone().into();
        let mut settings = SigningSettings::default();
        // The signer signs every header that it is given.
        settings.excluded_headers = None;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.scope.region)
            .name(self.scope.service)
            .time(self.time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let mut headers = Vec::new();
        // The signer adds the date and the token.
        for name in self.signed.iter().filter(|name| ![DATE, TOKEN].contains(&name.as_str())) {
            for value in request.headers.get_all(name.as_str()) {
                headers.push((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?));
            }
        }
        // The signer sorts the names, and takes only the headers that it is given. Without a `Host`, it would need the
        // authority of the URL, which a request line does not have.
        let is_exact = self.signed.is_sorted_by(|a, b| a < b)
            && self.signed.iter().all(|name| request.headers.contains_key(name.as_str()));
        if !is_exact {
            return None;
        }
        let url = request.uri.path_and_query()?.as_str();
        let body = SignableBody::Bytes(body);
        let signable = SignableRequest::new(request.method.as_str(), url, headers.into_iter(), body).ok()?;
        Some(sign(signable, &params).ok()?.into_parts().1)
    }
}

/// The parameters of the header `Authorization`.
struct Parameters<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Parameters<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=').unwrap_or((part, ""));
            if parts.iter().any(|(known, _)| *known == name) {
                return Err(incomplete("Duplicate parameters are not allowed in the Authorization header."));
            }
            parts.push((name, value));
        }
        let value = |wanted: &str| {
            let found = parts.iter().find(|(name, value)| *name == wanted && !value.is_empty());
            let missing = || incomplete(&format!("Authorization header requires '{wanted}' parameter."));
            found.map(|(_, value)| *value).ok_or_else(missing)
        };
        Ok(Self {
            credential: value("Credential")?,
            signed_headers: value("SignedHeaders")?,
            signature: value("Signature")?,
        })
    }
}

/// Returns the value of a header that must not stand there twice.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    let is_text = value.is_none_or(|value| value.to_str().is_ok());
    if values.next().is_some() || !is_text {
        return Err(incomplete(&format!("The header '{name}' must have one value.")));
    }
    Ok(value.and_then(|value| value.to_str().ok()))
}

fn check_token(credentials: &Credentials, given: Option<&str>) -> Result<(), SignatureError> {
    let is_equal = match (credentials.session_token(), given) {
        (Some(expected), Some(given)) => bool::from(expected.as_bytes().ct_eq(given.as_bytes())),
        (None, None) => true,
        _ => false,
    };
    if is_equal { Ok(()) } else { Err(SignatureError::UnknownKey) }
}

fn check_scope(signed: &str, scope: Scope<'_>, time: &str) -> Result<(), SignatureError> {
    let parts: Vec<&str> = signed.split('/').collect();
    let [date, region, service, terminator] = parts.as_slice() else {
        return Err(incomplete("Credential must have exactly 5 slash-delimited elements."));
    };
    if Some(*date) != time.get(..DATE_CHARACTERS) {
        let message = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.";
        return Err(invalid(message.to_owned()));
    }
    if *region != scope.region {
        let message = format!("Credential should be scoped to a valid region, for example '{}'.", scope.region);
        return Err(invalid(message));
    }
    if *service != scope.service {
        return Err(invalid(format!("Credential should be scoped to correct service: '{}'.", scope.service)));
    }
    if *terminator != TERMINATOR {
        return Err(invalid(format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.")));
    }
    Ok(())
}

fn check_time(time: SystemTime, text: &str, now: SystemTime) -> Result<(), SignatureError> {
    if now.duration_since(time).is_ok_and(|age| age > MAX_SKEW) {
        return Err(invalid(format!("Signature expired: {text} is more than 5 min. earlier than the clock.")));
    }
    if time.duration_since(now).is_ok_and(|lead| lead > MAX_SKEW) {
        return Err(invalid(format!("Signature not yet current: {text} is more than 5 min. later than the clock.")));
    }
    Ok(())
}

fn parse_time(text: &str) -> Option<SystemTime> {
    // A longer year has more digits.
    let time = Some(text).filter(|text| text.len() == TIME_CHARACTERS)?;
    PrimitiveDateTime::parse(time, TIME).ok().map(|time| time.assume_utc().into())
}

fn incomplete(message: &str) -> SignatureError {
    SignatureError::Incomplete(message.to_owned())
}

fn invalid(message: String) -> SignatureError {
    SignatureError::Invalid(message)
}

fn mismatch() -> SignatureError {
    invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
