//! Objects of an S3 bucket.
//!
//! This module sends its few requests itself, because the SDK's client for S3 does not fit into the Lambda package. See
//! `docs/adr/0009-host-speaks-s3-without-the-sdk.md`.
//!
//! - [`Bucket`]: the address of a bucket, and reading objects
//! - `write`: storing and deleting objects, with the feature `publish`
//! - `list`: listing objects, with the feature `publish`
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

#[cfg(feature = "publish")]
mod list;
#[cfg(feature = "publish")]
mod write;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SigningSettings, UriPathNormalizationMode,
};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tidegate_ports::Deadline;
use tidegate_release::Digest;
use tokio::time::timeout;

use crate::failure::{Failure, NO_ANSWER, NO_CONNECTION, code_of, describe_error};
use crate::http::clock;
use crate::http::retry::{self, ATTEMPT, RetryPolicy};
use crate::http::signer::{Signer, Unsigned, domain};

#[cfg(feature = "publish")]
pub(crate) use write::Put;

/// The maximum size of an error response.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// One S3 bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: String,
    connector: SharedHttpConnector,
    signer: Signer,
    /// The URL of the bucket, which ends in `/`.
    base: String,
}

/// A request to a bucket.
struct AwsRequest<'a> {
    method: &'static str,
    /// The part of the URL after the bucket: an object's key, or a query.
    path: &'a str,
    headers: &'a [(&'static str, &'a str)],
    body: SdkBody,
    /// The digest of the body.
    digest: Digest,
    /// The time limit until the response begins.
    time: Duration,
    /// The maximum size of the response, in bytes.
    limit: usize,
}

impl Bucket {
    /// Creates a client for the bucket `name` in `region`.
    ///
    /// By default, URLs have the bucket in the host name. URLs have the bucket in the path if `endpoint` is given,
    /// because emulators have one host name. They also have it in the path if the name has dots, because S3's
    /// certificate does not match such a host name.
    #[must_use]
    pub fn new(
        connector: SharedHttpConnector,
        credentials: Credentials,
        region: &str,
        endpoint: Option<&str>,
        name: &str,
    ) -> Self {
        let domain = domain(region);
        let base = match endpoint {
            Some(endpoint) => format!("{}/{name}/", endpoint.trim_end_matches('/')),
            None if name.contains('.') => format!("https://s3.{region}.{domain}/{name}/"),
            None => format!("https://{name}.s3.{region}.{domain}/"),
        };
        let mut settings = SigningSettings::default();
        // The signature covers the path exactly as it is sent, and S3 requires the digest of the body in a header.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        Self { name: name.to_owned(), connector, signer: Signer::new("s3", credentials, region, settings), base }
    }

    /// Returns the name of the bucket.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads an object of at most `limit` bytes. Returns `None` if it does not exist.
    pub(crate) async fn get(&self, key: &str, limit: usize, deadline: Deadline) -> Result<Option<Vec<u8>>, Failure> {
        // A large object may take longer than other requests. The attempt ends if no data arrives for a while.
        let repeat = RetryPolicy::SafeWithin(Duration::MAX);
        let read = || self.attempt(AwsRequest { limit, ..AwsRequest::new("GET", key) });
        retry::send_with("GetObject", repeat, deadline, read, |failure| failure).await
    }

    /// Sends a request once. Returns `None` if the object does not exist.
    async fn attempt(&self, request: AwsRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let AwsRequest { method, path, headers, body, digest, time, limit } = request;
        let url = format!("{}{path}", self.base);
        let hashed = SignableBody::Precomputed(digest.to_string());
        let request = self.signer.sign(Unsigned { method, url: &url, headers, body, hashed });
        let request = request.map_err(Failure::Refused)?;
        let answer = timeout(time, self.connector.call(request)).await.map_err(|_| unknown(NO_ANSWER))?;
        let answer = answer.map_err(|_| unknown(NO_CONNECTION))?;
        let status = answer.status();
        if status.is_success() {
            return if method == "HEAD" { Ok(Some(Vec::new())) } else { read(answer, limit).await.map(Some) };
        }
        let body = read(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
        refused(method, status.as_u16(), &String::from_utf8_lossy(&body))
    }
}

impl<'a> AwsRequest<'a> {
    /// Creates a request without a body, for a short response.
    fn new(method: &'static str, path: &'a str) -> Self {
        let digest = Digest::of(&[]);
        Self { method, path, headers: &[], body: SdkBody::empty(), digest, time: ATTEMPT, limit: MAX_ERROR_BYTES }
    }
}

/// Reads the complete body of a response.
///
/// # Errors
/// [`Failure::TooLarge`] above `limit`, [`Failure::Unknown`] if the body is incomplete.
async fn read(answer: HttpResponse, limit: usize) -> Result<Vec<u8>, Failure> {
    let length = answer.headers().get("content-length").and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge);
    }
    let mut bytes = Vec::with_capacity(length.unwrap_or_default());
    let mut body = ByteStream::new(answer.into_body());
    loop {
        let chunk = timeout(ATTEMPT, body.try_next()).await.map_err(|_| unknown(NO_ANSWER))?;
        let Some(chunk) = chunk.map_err(|_| unknown(NO_CONNECTION))? else { break };
        if bytes.len() + chunk.len() > limit {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    match length {
        Some(length) if length != bytes.len() => Err(unknown("the answer was cut off")),
        _ => Ok(bytes),
    }
}

/// Classifies an error response. Returns `None` if the object does not exist.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn refused(method: &str, status: u16, body: &str) -> Result<Option<Vec<u8>>, Failure> {
    let code = element(body, "Code");
    let message = element(body, "Message");
    let reason = describe_error(status, code, message);
    match (code, status) {
        ("NoSuchKey", _) => return Ok(None),
        // A response to HEAD has no body, so it has no error code.
        ("", 404) if method == "HEAD" => return Ok(None),
        _ => {}
    }
    tracing::warn!(
        code = code_of(&reason).as_str(),
        operation = method,
        status,
        reason = %reason,
        "S3 refused or failed a request"
    );
    Err(match (code, status) {
        ("SlowDown", _) | (_, 429) => Failure::Throttled,
        ("PreconditionFailed", _) | (_, 412) => Failure::Condition,
        ("ConditionalRequestConflict" | "OperationAborted", _) => Failure::Contended,
        // The request body did not arrive in time.
        ("RequestTimeout", _) => Failure::Unknown(reason),
        _ if clock::is_skewed(code, message) => Failure::Unaccepted(reason),
        (_, 300..500) => Failure::Refused(reason),
        _ => Failure::Unknown(reason),
    })
}

/// Returns the text of an element that occurs once and contains only text. Returns an empty string if there is none.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let rest = xml.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_once(&format!("</{name}>"))).map(|(text, _)| text).unwrap_or_default()
}

fn unknown(reason: &str) -> Failure {
    Failure::Unknown(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl HttpConnector for Nowhere {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::new(std::future::pending())
        }
    }

    #[test]
    fn the_url_of_a_bucket_follows_from_its_region_and_name() {
        for (region, name, base) in [
            ("eu-west-1", "chat", "https://chat.s3.eu-west-1.amazonaws.com/"),
            ("cn-north-1", "chat", "https://chat.s3.cn-north-1.amazonaws.com.cn/"),
            ("eusc-de-east-1", "chat", "https://chat.s3.eusc-de-east-1.amazonaws.eu/"),
            ("eu-west-1", "chat.example", "https://s3.eu-west-1.amazonaws.com/chat.example/"),
        ] {
            let credentials = Credentials::new("key", "secret", None, None, "test");
            let bucket = Bucket::new(SharedHttpConnector::new(Nowhere), credentials, region, None, name);
            assert_eq!(bucket.base, base);
        }
    }
}
