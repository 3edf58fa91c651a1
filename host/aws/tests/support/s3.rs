//! An S3 bucket in memory behind the SDK's HTTP client interface, with faults.
//!
//! The bucket computes the signature of each request itself, as AWS documents it, and panics if the request has
//! another.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use tidegate_aws::Bucket;
use tidegate_event::Timestamp;

use super::faults::SECRET;

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const BUCKET: &str = "releases-of-chat";
const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The number of objects on one page.
const PAGE: usize = 2;

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Not applied; an error with this status and code.
    Error(u16, &'static str),
    /// Not applied; an answer with this status and body.
    Answer(u16, String),
    /// Applied; then status 500.
    Applied,
    /// Applied; never answered.
    AppliedUnanswered,
    /// Not applied; never answered.
    Hang,
    /// Not applied; the connection breaks.
    Broken,
    /// Half of the body that `content-length` announces.
    CutOff,
    /// The first byte of the body, and then nothing.
    Stalled,
    /// A body of this many bytes without `content-length`.
    Endless(usize),
    /// Applied after another client stored these bytes.
    Race(&'static [u8]),
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, Timestamp)>,
    /// The faults of the next requests of a kind, and true if the first one stays.
    plans: Vec<(&'static str, VecDeque<Fault>, bool)>,
    requests: Vec<(String, String)>,
}

/// A bucket that records its requests. Clones share the bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3(Arc<Mutex<State>>);

impl S3 {
    pub(crate) fn bucket(&self) -> Bucket {
        self.bucket_at(None)
    }

    pub(crate) fn bucket_at(&self, endpoint: Option<&str>) -> Bucket {
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, Some("token".to_owned()), None, "test");
        Bucket::new(SharedHttpConnector::new(self.clone()), credentials, REGION, endpoint, BUCKET)
    }

    /// Plans faults of the next requests of `kind`, a method or `LIST`.
    pub(crate) fn next(&self, kind: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().plans.push((kind, faults.into_iter().collect(), false));
    }

    /// Plans a fault of all requests of `kind`.
    pub(crate) fn always(&self, kind: &'static str, fault: Fault) {
        self.0.lock().unwrap().plans.push((kind, VecDeque::from([fault]), true));
    }

    /// Removes planned faults and recorded requests.
    pub(crate) fn clear(&self) {
        let mut state = self.0.lock().unwrap();
        state.plans.clear();
        state.requests.clear();
    }

    /// Returns the URLs of the recorded requests of `kind`.
    pub(crate) fn sent(&self, kind: &str) -> Vec<String> {
        let state = self.0.lock().unwrap();
        state.requests.iter().filter(|(of, _)| of == kind).map(|(_, url)| url.clone()).collect()
    }

    pub(crate) fn store(&self, key: &str, bytes: &[u8], at: Timestamp) {
        self.0.lock().unwrap().objects.insert(key.to_owned(), (bytes.to_vec(), at));
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().objects.keys().cloned().collect()
    }

    fn take(&self, kind: &str, url: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        state.requests.push((kind.to_owned(), url.to_owned()));
        let (_, faults, stays) = state.plans.iter_mut().find(|(of, faults, _)| *of == kind && !faults.is_empty())?;
        if *stays { faults.front().cloned() } else { faults.pop_front() }
    }

    fn answer(&self, method: &str, target: &Target, request: &HttpRequest) -> HttpResponse {
        let mut state = self.0.lock().unwrap();
        let body = request.body().bytes().unwrap();
        match method {
            "GET" if target.query.is_empty() => match state.objects.get(&target.key) {
                Some((bytes, _)) => respond(200, bytes.clone()),
                None => error(404, "NoSuchKey"),
            },
            "GET" => list(&state.objects, &target.query),
            "HEAD" if state.objects.contains_key(&target.key) => respond(200, Vec::new()),
            "HEAD" => respond(404, Vec::new()),
            "PUT" => {
                assert_eq!(request.headers().get("if-none-match"), Some("*"), "an object would be overwritten");
                if state.objects.contains_key(&target.key) {
                    return error(412, "PreconditionFailed");
                }
                state.objects.insert(target.key.clone(), (body.to_vec(), Timestamp::now()));
                respond(200, Vec::new())
            }
            "DELETE" => {
                state.objects.remove(&target.key);
                respond(204, Vec::new())
            }
            other => panic!("{other}"),
        }
    }
}

impl HttpConnector for S3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        check_signature(&request);
        let method = request.method().to_owned();
        let url = request.uri().to_owned();
        let target = Target::of(&url);
        let kind = if target.query.is_empty() { method.as_str() } else { "LIST" };
        let answer = || self.answer(&method, &target, &request);
        HttpConnectorFuture::ready(Ok(match self.take(kind, &url) {
            None => answer(),
            Some(Fault::Error(status, code)) => error(status, code),
            Some(Fault::Answer(status, body)) => respond(status, body.into_bytes()),
            Some(Fault::Applied) => {
                answer();
                error(500, "InternalError")
            }
            Some(Fault::AppliedUnanswered) => {
                answer();
                return HttpConnectorFuture::new(std::future::pending());
            }
            Some(Fault::Hang) => return HttpConnectorFuture::new(std::future::pending()),
            Some(Fault::Broken) => return HttpConnectorFuture::ready(Err(ConnectorError::io(SECRET.into()))),
            Some(Fault::CutOff) => altered(answer(), |bytes| SdkBody::from(&bytes[..bytes.len() / 2])),
            Some(Fault::Stalled) => altered(answer(), |bytes| {
                streamed(stream::iter([Bytes::copy_from_slice(&bytes[..1])]).chain(stream::pending()))
            }),
            Some(Fault::Endless(length)) => {
                let chunk = Bytes::from(vec![b'x'; 1 << 20]);
                let body = streamed(stream::repeat(chunk).take(length >> 20));
                HttpResponse::new(200.try_into().unwrap(), body)
            }
            Some(Fault::Race(bytes)) => {
                self.store(&target.key, bytes, Timestamp::now());
                answer()
            }
        }))
    }
}

/// The key and the query of a URL that has the bucket in its host or in its path.
struct Target {
    key: String,
    query: BTreeMap<String, String>,
}

impl Target {
    fn of(url: &str) -> Self {
        let uri: http::Uri = url.parse().unwrap();
        let path = uri.path();
        let key = match uri.host().unwrap() {
            host if host.starts_with(BUCKET) => path.strip_prefix('/').unwrap(),
            _ => path.strip_prefix(&format!("/{BUCKET}/")).unwrap(),
        };
        let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
        let decode = |value| percent_decode_str(value).decode_utf8().unwrap().into_owned();
        let query =
            pairs.map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), decode(value)));
        Self { key: key.to_owned(), query: query.collect() }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
fn list(objects: &BTreeMap<String, (Vec<u8>, Timestamp)>, query: &BTreeMap<String, String>) -> HttpResponse {
    assert_eq!(query["list-type"], "2");
    // The token has characters that a query must encode.
    let after = query.get("continuation-token").map(|token| token.strip_prefix("+/= &%").unwrap());
    let found = objects.iter().filter(|(key, _)| key.starts_with(&query["prefix"]));
    let mut found = found.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    let page: Vec<_> = found.by_ref().take(PAGE).collect();
    let truncated = found.next().is_some();
    let contents = page.iter().map(|(key, (bytes, at))| {
        let at = DateTime::from_millis(i64::try_from(at.millis()).unwrap()).fmt(Format::DateTime).unwrap();
        let size = bytes.len();
        format!(
            "<Contents><Key>{key}</Key><LastModified>{at}</LastModified><ETag>&quot;e&quot;</ETag><Size>{size}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>"
        )
    });
    let contents: String = contents.collect();
    let token = page
        .last()
        .filter(|_| truncated)
        .map_or_else(String::new, |(key, _)| format!("<NextContinuationToken>+/= &amp;%{key}</NextContinuationToken>"));
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{BUCKET}</Name><Prefix>{}</Prefix>{token}<KeyCount>{}</KeyCount><MaxKeys>{PAGE}</MaxKeys>\
         <IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>",
        query["prefix"],
        page.len(),
    );
    respond(200, xml.into_bytes())
}

fn error(status: u16, code: &str) -> HttpResponse {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>because of a test</Message>\
         <RequestId>1</RequestId></Error>"
    );
    respond(status, xml.into_bytes())
}

fn respond(status: u16, body: Vec<u8>) -> HttpResponse {
    let length = body.len().to_string();
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-length", length);
    response
}

fn altered(response: HttpResponse, alter: impl FnOnce(&[u8]) -> SdkBody) -> HttpResponse {
    let mut response = response;
    let body = alter(response.body().bytes().unwrap());
    *response.body_mut() = body;
    response
}

fn streamed(chunks: impl stream::Stream<Item = Bytes> + Send + Sync + 'static) -> SdkBody {
    SdkBody::from_body_1_x(StreamBody::new(chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)))))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
fn check_signature(request: &HttpRequest) {
    let header = |name: &str| request.headers().get(name).unwrap_or_else(|| panic!("no header `{name}`"));
    let digest = hex(&Sha256::digest(request.body().bytes().unwrap()));
    assert_eq!(header("x-amz-content-sha256"), digest, "the digest of the body");
    let uri: http::Uri = request.uri().parse().unwrap();
    let parts = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let parts: BTreeMap<_, _> = parts.split(", ").map(|part| part.split_once('=').unwrap()).collect();
    let (key, scope) = parts["Credential"].split_once('/').unwrap();
    let time = header("x-amz-date");
    assert_eq!((key, scope), (ACCESS_KEY, format!("{}/{REGION}/s3/aws4_request", &time[..8]).as_str()));
    for name in ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] {
        assert!(parts["SignedHeaders"].split(';').any(|signed| signed == name), "`{name}` is not signed");
    }
    assert_eq!(header("x-amz-security-token"), "token");
    let headers = parts["SignedHeaders"].split(';').map(|name| match name {
        "host" => format!("host:{}\n", uri.authority().unwrap()),
        name => format!("{name}:{}\n", header(name)),
    });
    let mut query: Vec<&str> = uri.query().into_iter().flat_map(|query| query.split('&')).collect();
    query.sort_unstable();
    let canonical =
        [request.method(), uri.path(), &query.join("&"), &headers.collect::<String>(), parts["SignedHeaders"], &digest]
            .join("\n");
    let signed = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
    let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| hmac(&key, part));
    assert_eq!(parts["Signature"], hex(&hmac(&key, &signed)), "the signature of\n{canonical}");
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
