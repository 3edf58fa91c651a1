//! The kinds of requests, by path, and HTTP responses.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;

/// An HTTP response.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The header with the error name, which AWS SDKs read first.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The path segment before the id of a connection, plain and percent-encoded.
const CONNECTIONS: [&str; 2] = ["@connections/", "%40connections/"];

/// The kind of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A request on the stage's path, for a socket.
    Socket,
    /// A call to `@connections`, with the decoded connection id.
    Connection(String),
    /// A request on any other path.
    Unknown,
}

impl RequestKind {
    /// Returns the kind of a request for `path` on an API with the stage `stage`.
    pub(crate) fn of(path: &str, stage: &str) -> Self {
        let Some(rest) = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)) else { return Self::Unknown };
        if rest.is_empty() || rest == "/" {
            return Self::Socket;
        }
        let rest = rest.strip_prefix('/').unwrap_or_default();
        let id = CONNECTIONS.iter().find_map(|prefix| rest.strip_prefix(prefix));
        id.map_or(Self::Unknown, |id| Self::Connection(decode(id)))
    }
}

/// Returns the decoded names and values of a query string, in order.
pub(crate) fn query_of(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Percent-decodes a path segment.
fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Creates a response with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Creates an error response in AWS's format, with the error name in a header and the message in the body.
pub(crate) fn error(status: StatusCode, name: &'static str, message: &str) -> Answer {
    let mut answer = json(status, serde_json::json!({ "message": message }).to_string());
    answer.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(name));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_request_kinds() {
        assert_eq!(RequestKind::of("/dev", "dev"), RequestKind::Socket);
        assert_eq!(RequestKind::of("/dev/", "dev"), RequestKind::Socket);
        let id = RequestKind::Connection("L0SM9cOFvHcCIhw=".to_owned());
        assert_eq!(RequestKind::of("/dev/@connections/L0SM9cOFvHcCIhw%3D", "dev"), id);
        assert_eq!(RequestKind::of("/dev/%40connections/L0SM9cOFvHcCIhw%3d", "dev"), id);
        for path in ["/", "", "/prod", "/devil", "/dev/x", "/dev/@connections", "/de"] {
            assert_eq!(RequestKind::of(path, "dev"), RequestKind::Unknown, "{path}");
        }
    }

    #[test]
    fn query_strings_are_decoded_in_order() {
        let pairs = query_of("b=1&a=x%20y+z&a=%zz&&flag&e=%C3%A9%");
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("b", "1"), ("a", "x y z"), ("a", "%zz"), ("flag", ""), ("e", "é%")]);
    }
}
