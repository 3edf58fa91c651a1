//! Objects of an S3 bucket, asked for with a few requests of our own.
//!
//! The SDK's client for S3 would be larger than what is left of the Lambda package; see
//! `docs/adr/0009-host-speaks-s3-without-the-sdk.md`.
//!
//! - [`Bucket`]: where requests go, and reading an object
//! - `write`: what only who publishes and who prunes does, with the feature `publish`; `list`: listing objects
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

use crate::failure::{Failure, NO_ANSWER, NO_CONNECTION, code_of, said};
use crate::http::retry::{self, ATTEMPT, RetryPolicy};
use crate::http::signer::{Signer, Unsigned, domain};

#[cfg(feature = "publish")]
pub(crate) use write::Put;

/// The most that is read of an answer that says that a request failed.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// One S3 bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: String,
    connector: SharedHttpConnector,
    signer: Signer,
    /// What the URL of each object begins with.
    base: String,
}

/// What is asked of a bucket.
struct AwsRequest<'a> {
    method: &'static str,
    /// What follows the bucket in the URL.
    rest: &'a str,
    headers: &'a [(&'static str, &'a str)],
    body: SdkBody,
    /// Of the body.
    digest: Digest,
    /// How long it may take until the answer begins.
    time: Duration,
    /// The most bytes of the answer.
    limit: usize,
}

impl Bucket {
    /// The bucket `name` in `region`, addressed by its own host name; by its path when `endpoint` is given, because
    /// emulators have one name, or when dots in its name keep S3's certificate from fitting.
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
        // S3 signs the path as it is sent, and wants to be told the body's digest.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        Self { name: name.to_owned(), connector, signer: Signer::new("s3", credentials, region, settings), base }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An object of at most `limit` bytes; none when there is no such object.
    pub(crate) async fn get(&self, key: &str, limit: usize, deadline: Deadline) -> Result<Option<Vec<u8>>, Failure> {
        // A large object may take longer than an attempt does elsewhere; it is given up when nothing of it comes.
        let repeat = RetryPolicy::SafeWithin(Duration::MAX);
        let read = || self.ask(AwsRequest { limit, ..AwsRequest::new("GET", key) });
        retry::send_with("GetObject", repeat, deadline, read, |failure| failure).await
    }

    /// One attempt; none when there is no such object.
    async fn ask(&self, ask: AwsRequest<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let AwsRequest { method, rest, headers, body, digest, time, limit } = ask;
        let url = format!("{}{rest}", self.base);
        let hashed = SignableBody::Precomputed(digest.to_string());
        let request = self.signer.sign(Unsigned { method, url: &url, headers, body, hashed });
        let request = request.map_err(Failure::Refused)?;
        let answer = timeout(time, self.connector.call(request)).await.map_err(|_| unknown(NO_ANSWER))?;
        let answer = answer.map_err(|_| unknown(NO_CONNECTION))?;
        let status = answer.status();
        if status.is_success() {
            return if method == "HEAD" { Ok(Some(Vec::new())) } else { read(answer, limit).await.map(Some) };
        }
        let said = read(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
        refused(method, status.as_u16(), &String::from_utf8_lossy(&said))
    }
}

impl<'a> AwsRequest<'a> {
    /// Without a body, and with a short answer.
    fn new(method: &'static str, rest: &'a str) -> Self {
        let digest = Digest::of(&[]);
        Self { method, rest, headers: &[], body: SdkBody::empty(), digest, time: ATTEMPT, limit: MAX_ERROR_BYTES }
    }
}

/// The body of an answer, whole and within `limit`.
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

/// What an answer means that is no success.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn refused(method: &str, status: u16, body: &str) -> Result<Option<Vec<u8>>, Failure> {
    let (code, message) = (element(body, "Code"), element(body, "Message"));
    let reason = said(status, code, message);
    match (code, status) {
        ("NoSuchKey", _) => return Ok(None),
        // The answer to HEAD has no body, which would say what there is none of.
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
        // What was sent did not arrive in time.
        ("RequestTimeout", _) => Failure::Unknown(reason),
        (_, 300..500) => Failure::Refused(reason),
        _ => Failure::Unknown(reason),
    })
}

/// The text of an element that stands once in an error, and holds no other; empty when there is none.
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
    fn a_bucket_is_where_its_region_and_its_name_say() {
        for (region, name, base) in [
            ("eu-west-1", "chat", "https://chat.s3.eu-west-1.amazonaws.com/"),
            ("cn-north-1", "chat", "https://chat.s3.cn-north-1.amazonaws.com.cn/"),
            ("eu-west-1", "chat.example", "https://s3.eu-west-1.amazonaws.com/chat.example/"),
        ] {
            let credentials = Credentials::new("key", "secret", None, None, "test");
            let bucket = Bucket::new(SharedHttpConnector::new(Nowhere), credentials, region, None, name);
            assert_eq!(bucket.base, base);
        }
    }
}
