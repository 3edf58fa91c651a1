//! The upgrade request, and the statuses of refusals.

use std::net::SocketAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use tidegate_event::{ConnectionId, Fields, Handshake, RequestId};
use tidegate_local_access::Authority;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::endpoint::{self, Answer};
use crate::gateway::Gateway;

const SUPPORTED_VERSION: HeaderValue = HeaderValue::from_static("13");
/// The hop-by-hop headers, which API Gateway does not forward.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-authorization", "te", "transfer-encoding", "upgrade", "content-length"];
/// The scheme of the gateway, which has no TLS.
const FORWARDED_PROTO: &str = "http";
/// The port if the `Host` header has none.
const DEFAULT_PORT: u16 = 80;
/// The addresses of the hops of a request, the last hop last.
const FORWARDED_FOR: &str = "X-Forwarded-For";
/// The headers that the gateway sets itself. Functions trust them, so they do not get those of the client.
const OWN_HEADERS: [&str; 4] = ["x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];

/// A well-formed upgrade request.
pub(crate) struct Upgrade {
    /// The part that functions receive.
    pub(crate) handshake: Handshake,
    /// The `Sec-WebSocket-Accept` header of the response.
    pub(crate) accept: String,
    pub(crate) host: String,
    pub(crate) source_ip: String,
    pub(crate) user_agent: Option<String>,
}

/// The reason for refusing a handshake on the stage's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An identity source is missing, or the authorizer failed with `Unauthorized`.
    Unauthorized,
    /// The authorizer's policy denies the connection.
    Denied,
    /// The authorizer failed.
    AuthorizerFailed,
    /// `$connect` replied with this status.
    Status(StatusCode),
    /// `$connect` failed, timed out, or sent a malformed reply (status observed).
    ConnectFailed,
}

impl Refusal {
    /// Returns the HTTP response. Its body has the shape of an error frame (observed).
    pub(crate) fn answer(self, connection: &ConnectionId, request: &RequestId) -> Answer {
        let (status, message) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Denied => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::AuthorizerFailed => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
            Self::Status(status) => (status, status.canonical_reason().unwrap_or("Refused")),
            Self::ConnectFailed => (StatusCode::BAD_GATEWAY, "Internal server error"),
        };
        let body = crate::integration::error_body(message, connection.as_str(), request.as_str());
        endpoint::json(status, body)
    }
}

impl Upgrade {
    /// Reads an upgrade request on the stage's path.
    ///
    /// # Errors
    /// The response to a request that is too long, malformed, or not an upgrade.
    pub(crate) fn read<B>(
        gateway: &Gateway,
        request: &Request<B>,
        headers: Fields,
        from: SocketAddr,
    ) -> Result<Self, Box<Answer>> {
        let url = request.uri().path_and_query().map_or("", |path| path.as_str());
        if url.len() > gateway.limits.url_characters {
            return Err(refuse(StatusCode::URI_TOO_LONG, "URI Too Long"));
        }
        let accept = accept_key(request)?;
        let host = text(request.headers(), &header::HOST).unwrap_or_default();
        let query = request.uri().query().map(endpoint::query_of).unwrap_or_default();
        let mut handshake = Handshake { headers, query };
        forward(&mut handshake.headers, &host, from, gateway);
        Ok(Self {
            handshake,
            accept,
            host,
            source_ip: from.ip().to_canonical().to_string(),
            user_agent: text(request.headers(), &header::USER_AGENT),
        })
    }

    /// Returns the response that opens the socket.
    pub(crate) fn accept(&self, protocol: Option<HeaderValue>) -> Answer {
        let mut answer = Answer::new(Full::new(Bytes::new()));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        answer
    }
}

/// Returns a refusal for a connection that does not have an id yet.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Box<Answer> {
    Box::new(endpoint::json(status, serde_json::json!({ "message": message }).to_string()))
}

/// Returns the `Sec-WebSocket-Accept` header for an upgrade request.
fn accept_key<B>(request: &Request<B>) -> Result<String, Box<Answer>> {
    let headers = request.headers();
    let upgrades =
        has_token(headers, &header::CONNECTION, "upgrade") && has_token(headers, &header::UPGRADE, "websocket");
    if !upgrades {
        let mut answer = refuse(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Err(answer);
    }
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(refuse(StatusCode::BAD_REQUEST, "Bad Request"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&SUPPORTED_VERSION) {
        let mut answer = refuse(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, SUPPORTED_VERSION);
        return Err(answer);
    }
    // The key need not be decoded (RFC 6455 section 4.2.1), and API Gateway accepts any. There must be one, once. Bytes
    // outside of ASCII are refused: an event would have another key than the one that the answer is derived from.
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if key.to_str().is_ok_and(|key| !key.is_empty()) => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(refuse(StatusCode::BAD_REQUEST, "Bad Request")),
    }
}

/// Removes and adds headers as API Gateway does before it forwards a request. The last hop in `X-Forwarded-For` is the
/// gateway's, whatever the client sent.
fn forward(headers: &mut Fields, host: &str, from: SocketAddr, gateway: &Gateway) {
    let is_any = |name: &str, names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let earlier = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(FORWARDED_FOR));
    let mut hops: Vec<String> = earlier.map(|(_, hop)| hop.clone()).filter(|hop| !hop.is_empty()).collect();
    hops.push(from.ip().to_canonical().to_string());
    headers.retain(|(name, _)| !is_any(name, &HOP_BY_HOP) && !is_any(name, &OWN_HEADERS));
    let seconds = gateway.clock.now().seconds();
    let port = Authority::parse(host).ok().and_then(|authority| authority.port).unwrap_or(DEFAULT_PORT);
    for (name, value) in [
        ("X-Amzn-Trace-Id", format!("Root=1-{seconds:08x}-{}", gateway.ids.trace())),
        (FORWARDED_FOR, hops.join(", ")),
        ("X-Forwarded-Port", port.to_string()),
        ("X-Forwarded-Proto", FORWARDED_PROTO.to_owned()),
    ] {
        headers.push((name.to_owned(), value));
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Returns true if a comma-separated header contains a token, ignoring case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}
