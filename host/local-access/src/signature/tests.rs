//! Signatures of botocore as vectors, and one alteration of each part that a signature covers.

use http::Request;

use super::*;

const SCOPE: Scope<'_> = Scope { region: "eu-west-1", service: "execute-api" };
const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2026-11-28T18:00:00Z.
const NOW: u64 = 1_795_888_800;
const PATH: &str = "/dev/%40connections/L0SM9cOFvHcCIhw%3D";
const POST_SIGNATURE: &str = "ddabb6b8ef58e4345357f1b061e85fd88c3f3a0c4d2477b0cd2bc9178b5926f9";
const GET_SIGNATURE: &str = "26b5780c360b34eae2cfe6cee794c97faa6e99d5053ad0a0d291bf5869cac5dd";
const DELETE_SIGNATURE: &str = "b7fa5340e6ace32390a4cf4c413d912ffba783135bbdbf5f4483835d66817c86";

/// A request as botocore sends it.
#[derive(Clone)]
struct Signed {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    token: Option<&'static str>,
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20261128/eu-west-1/execute-api/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    )
}

fn signed(method: &'static str, url: &str, host: &str, signed_headers: &str, signature: &str) -> Signed {
    let headers = vec![
        ("host", host.to_owned()),
        ("x-amz-date", "20261128T180000Z".to_owned()),
        ("authorization", authorization(signed_headers, signature)),
        ("user-agent", "Boto3/1.44".to_owned()),
    ];
    Signed { method, url: url.to_owned(), headers, body: Vec::new(), token: None }
}

fn post() -> Signed {
    let mut post = signed("POST", PATH, "127.0.0.1:3000", "content-type;host;x-amz-date", POST_SIGNATURE);
    post.headers.push(("content-type", "application/octet-stream".to_owned()));
    post.body = "héllo".into();
    post
}

fn get() -> Signed {
    signed("GET", PATH, "127.0.0.1:3000", "host;x-amz-date", GET_SIGNATURE)
}

fn delete() -> Signed {
    let url = "/dev/@connections/L0SM9cOFvHcCIhw=?b=2&a=x%20y";
    let mut delete = signed("DELETE", url, "localhost:3000", "host;x-amz-date;x-amz-security-token", DELETE_SIGNATURE);
    delete.headers.push(("x-amz-security-token", "the token".to_owned()));
    delete.token = Some("the token");
    delete
}

impl Signed {
    /// Returns the request with another value of a header, or without the header.
    fn with(&self, name: &'static str, value: Option<&str>) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(known, _)| *known != name);
        changed.headers.extend(value.map(|value| (name, value.to_owned())));
        changed
    }

    /// Returns the request with one text replaced in its `Authorization`.
    fn replacing(&self, from: &str, to: &str) -> Self {
        let (_, value) = self.headers.iter().find(|(name, _)| *name == "authorization").unwrap();
        assert!(value.contains(from), "{from}");
        self.with("authorization", Some(&value.replacen(from, to, 1)))
    }

    fn parts(&self) -> Parts {
        let mut request = Request::builder().method(self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verify_at(&self, now: u64, secret: &str) -> Result<(), SignatureError> {
        let credentials = Credentials::new(KEY, secret, self.token.map(str::to_owned), None, "test");
        let other = Credentials::new("AKIDOTHER", "other", None, None, "test");
        let keys = Keys::new(vec![other, credentials]);
        let parts = self.parts();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        keys.claim(&parts, SCOPE, now)?.verify(&parts, &self.body)
    }

    fn verify(&self) -> Result<(), SignatureError> {
        self.verify_at(NOW, SECRET)
    }

    /// Returns the name of the error.
    fn refused(&self) -> &'static str {
        self.verify().unwrap_err().name()
    }
}

#[test]
fn signatures_of_botocore_are_accepted() {
    for request in [post(), get(), delete()] {
        assert_eq!(request.verify(), Ok(()), "{}", request.method);
    }
}

#[test]
fn every_part_that_a_signature_covers_is_verified() {
    let altered = [
        Signed { body: "hullo".into(), ..post() },
        Signed { body: Vec::new(), ..post() },
        Signed { body: "x".into(), ..get() },
        Signed { method: "DELETE", ..get() },
        Signed { url: PATH.replace("L0SM", "L0SN"), ..get() },
        Signed { url: PATH.replace("dev", "prod"), ..get() },
        // The signature is for the path as it stands in the request line.
        Signed { url: PATH.replace("%40", "@"), ..get() },
        Signed { url: format!("{PATH}?a=1"), ..get() },
        Signed { url: delete().url.replace("b=2", "b=3"), ..delete() },
        Signed { url: delete().url.replace("b=2&", ""), ..delete() },
        get().with("host", Some("127.0.0.1:3001")),
        get().with("host", Some("127.0.0.1")),
        get().with("host", None),
        get().with("x-amz-date", Some("20261128T180001Z")),
        post().with("content-type", Some("text/plain")),
        post().with("content-type", None),
        get().replacing(GET_SIGNATURE, POST_SIGNATURE),
        get().replacing(GET_SIGNATURE, &GET_SIGNATURE.to_ascii_uppercase()),
        get().replacing(GET_SIGNATURE, &GET_SIGNATURE[..63]),
        get().replacing(GET_SIGNATURE, "0"),
        get().replacing("host;x-amz-date", "host;x-amz-date;user-agent"),
        get().replacing("host;x-amz-date", "host;x-amz-date;x-amz-missing"),
        get().replacing("host;x-amz-date", "x-amz-date;host"),
        get().replacing("host;x-amz-date", "host;host;x-amz-date"),
        get().replacing("host;x-amz-date", "host;;x-amz-date"),
        post().replacing("content-type;host", "host"),
    ];
    for (index, request) in altered.iter().enumerate() {
        assert_eq!(request.refused(), "InvalidSignatureException", "{index}");
    }
}

#[test]
fn a_repeated_header_is_part_of_the_signature() {
    let mut twice = post();
    twice.headers.push(("content-type", "text/plain".to_owned()));
    assert_eq!(twice.refused(), "InvalidSignatureException");
}

#[test]
fn other_keys_and_tokens_are_refused() {
    assert_eq!(get().verify_at(NOW, "another secret").unwrap_err().name(), "InvalidSignatureException");
    for request in [
        get().replacing(KEY, "AKIDUNKNOWN"),
        get().replacing(&format!("{KEY}/"), "/"),
        get().with("x-amz-security-token", Some("local")),
        delete().with("x-amz-security-token", Some("the tokem")),
        delete().with("x-amz-security-token", None),
    ] {
        assert_eq!(request.refused(), "UnrecognizedClientException");
    }
    // Another key of the run, whose secret is not the one that signed.
    assert_eq!(get().replacing(KEY, "AKIDOTHER").refused(), "InvalidSignatureException");
}

#[test]
fn signatures_are_valid_for_five_minutes() {
    for now in [NOW - 300, NOW - 1, NOW, NOW + 300] {
        assert_eq!(get().verify_at(now, SECRET), Ok(()), "{now}");
    }
    for (now, text) in [(NOW + 301, "Signature expired"), (NOW - 301, "Signature not yet current"), (0, "Signature")] {
        let error = get().verify_at(now, SECRET).unwrap_err();
        assert_eq!(error.name(), "InvalidSignatureException");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn signatures_for_another_scope_are_refused() {
    for (from, to) in [
        ("eu-west-1", "eu-central-1"),
        ("execute-api", "s3"),
        ("aws4_request", "aws4"),
        ("20261128", "20261127"),
        ("host;x-amz-date", "x-amz-date"),
        ("host;x-amz-date", "host"),
        ("host;x-amz-date", "Host;X-Amz-Date"),
    ] {
        assert_eq!(get().replacing(from, to).refused(), "InvalidSignatureException", "{to}");
    }
}

#[test]
fn unsigned_requests_have_no_signature() {
    let missing = [None, Some(""), Some("Bearer token"), Some("AWS4-HMAC-SHA256"), Some("AWS4-ECDSA-P256-SHA256 x=y")];
    for value in missing {
        assert_eq!(get().with("authorization", value).refused(), "MissingAuthenticationTokenException", "{value:?}");
    }
}

#[test]
fn malformed_signatures_are_incomplete() {
    let mut twice = get();
    twice.headers.push(("authorization", authorization("host;x-amz-date", GET_SIGNATURE)));
    let mut two_dates = get();
    two_dates.headers.push(("x-amz-date", "20261128T180000Z".to_owned()));
    for request in [
        twice,
        two_dates,
        get().with("x-amz-date", None),
        get().with("x-amz-date", Some("Sat, 28 Nov 2026 18:00:00 GMT")),
        get().with("x-amz-date", Some("+20261128T18000Z")),
        get().with("x-amz-date", Some("20261328T180000Z")),
        get().with("authorization", Some("AWS4-HMAC-SHA256 ")),
        get().with("authorization", Some("AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=")),
        get().replacing("Signature=", "signature="),
        get().replacing("SignedHeaders=host;x-amz-date, ", ""),
        get().replacing("Signature=", "Credential=x, Signature="),
        get().replacing("/aws4_request", ""),
        get().replacing("/aws4_request", "/aws4_request/x"),
    ] {
        assert_eq!(request.refused(), "IncompleteSignatureException");
    }
}
