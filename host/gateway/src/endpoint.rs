//! Which of the two things on the port a request is for, and how an answer looks.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

/// An answer over HTTP.
pub(crate) type Answer = Response<Full<Bytes>>;

/// The header in which AWS names an error, and where its SDKs look first.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The segment before the id of a connection, as it is and as a client may encode it.
const CONNECTIONS: [&str; 2] = ["@connections/", "%40connections/"];

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The sockets of the stage.
    Socket,
    /// One connection under @connections: its id, decoded.
    Connection(String),
    /// Nothing of this API.
    Nowhere,
}

impl Target {
    /// Where `path` leads on an API with this stage.
    pub(crate) fn of(path: &str, stage: &str) -> Self {
        let Some(rest) = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage)) else { return Self::Nowhere };
        if rest.is_empty() || rest == "/" {
            return Self::Socket;
        }
        let rest = rest.strip_prefix('/').unwrap_or_default();
        let id = CONNECTIONS.iter().find_map(|prefix| rest.strip_prefix(prefix));
        id.map_or(Self::Nowhere, |id| Self::Connection(decode(id, false)))
    }
}

/// The names and values of a query string, decoded.
pub(crate) fn query_of(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name, true), decode(value, true))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Decodes `%41`, and in a query `+` as a space; what is not an escape stays as it is.
fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = after.first_chunk::<2>().filter(|_| *first == b'%');
        let value = escape.and_then(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?));
        match value {
            Some(value) => {
                bytes.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if plus && *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An error as AWS words it: a name in a header, a message in the body.
pub(crate) fn error(status: StatusCode, name: &'static str, message: &str) -> Answer {
    let mut answer = json(status, serde_json::json!({ "message": message }).to_string());
    answer.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(name));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_stage_its_connections_or_nowhere() {
        assert_eq!(Target::of("/dev", "dev"), Target::Socket);
        assert_eq!(Target::of("/dev/", "dev"), Target::Socket);
        let id = Target::Connection("L0SM9cOFvHcCIhw=".to_owned());
        assert_eq!(Target::of("/dev/@connections/L0SM9cOFvHcCIhw%3D", "dev"), id);
        assert_eq!(Target::of("/dev/%40connections/L0SM9cOFvHcCIhw%3d", "dev"), id);
        for path in ["/", "", "/prod", "/devil", "/dev/x", "/dev/@connections", "/de"] {
            assert_eq!(Target::of(path, "dev"), Target::Nowhere, "{path}");
        }
    }

    #[test]
    fn a_query_is_decoded_and_keeps_its_order() {
        let pairs = query_of("b=1&a=x%20y+z&a=%zz&&flag&e=%C3%A9%");
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("b", "1"), ("a", "x y z"), ("a", "%zz"), ("flag", ""), ("e", "é%")]);
    }
}
