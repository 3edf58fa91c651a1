//! The upgrade request, and the statuses of refusals.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Bytes;
use tidegate_event::{ConnectionId, Fields, Handshake, RequestId};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::endpoint::{self, Answer};
use crate::gateway::Gateway;
use crate::raw_headers::fields_of;

const SUPPORTED_VERSION: HeaderValue = HeaderValue::from_static("13");
/// The hop-by-hop headers, which API Gateway does not forward.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-authorization", "te", "transfer-encoding", "upgrade", "content-length"];
/// The scheme of the gateway, which has no TLS.
const FORWARDED_PROTO: &str = "http";
/// The port if the `Host` header has none.
const DEFAULT_PORT: &str = "80";

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
        raw_headers: Option<Fields>,
        from: SocketAddr,
    ) -> Result<Self, Box<Answer>> {
        let url = request.uri().path_and_query().map_or("", |path| path.as_str());
        if url.len() > gateway.limits.url_characters {
            return Err(refuse(StatusCode::URI_TOO_LONG, "URI Too Long"));
        }
        let accept = accept_key(request)?;
        let mut handshake = Handshake {
            headers: raw_headers.unwrap_or_else(|| fields_of(request.headers())),
            query: request.uri().query().map(endpoint::query_of).unwrap_or_default(),
        };
        forward(&mut handshake.headers, from, gateway);
        Ok(Self {
            handshake,
            accept,
            host: text(request.headers(), &header::HOST).unwrap_or_default(),
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
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        Ok(derive_accept_key(key))
    } else {
        Err(refuse(StatusCode::BAD_REQUEST, "Bad Request"))
    }
}

/// Removes and adds headers as API Gateway does before it forwards a request.
fn forward(headers: &mut Fields, from: SocketAddr, gateway: &Gateway) {
    headers.retain(|(name, _)| !HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop)));
    let source = from.ip().to_canonical().to_string();
    match headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("X-Forwarded-For")) {
        Some((_, before)) => *before = format!("{before}, {source}"),
        None => headers.push(("X-Forwarded-For".to_owned(), source)),
    }
    let has = |headers: &Fields, wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if !has(headers, "X-Amzn-Trace-Id") {
        let seconds = gateway.clock.now().seconds();
        let trace = format!("Root=1-{seconds:08x}-{}", gateway.ids.trace());
        headers.push(("X-Amzn-Trace-Id".to_owned(), trace));
    }
    if !has(headers, "X-Forwarded-Port") {
        let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Host"));
        let port = host.and_then(|(_, host)| host.rsplit_once(':')).map_or(DEFAULT_PORT, |(_, port)| port).to_owned();
        headers.push(("X-Forwarded-Port".to_owned(), port));
    }
    if !has(headers, "X-Forwarded-Proto") {
        headers.push(("X-Forwarded-Proto".to_owned(), FORWARDED_PROTO.to_owned()));
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
