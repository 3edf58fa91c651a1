//! The `@connections` endpoint.
//!
//! <https://docs.aws.amazon.com/apigatewaymanagementapi/latest/reference/>
//!
//! A request must be signed with Signature Version 4, as AWS SDKs do it, with a key of [`Access`](crate::Access). The
//! body is part of the signature, so it is read first. A request that is not signed with a known key is refused before
//! its body is read.

use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use tidegate_event::{ConnectionId, Timestamp};
use tidegate_local_access::SignatureError;
use tidegate_ports::messaging::{Error, Socket};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::api::ApiConfig;
use crate::endpoint::{self, Answer};
use crate::gateway::Gateway;
use crate::ids::is_connection_id;
use crate::outbox::frame_of;

const ISO_8601: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// The maximum part of a large body to read before the body is refused, in multiples of the limit. A client does not
/// read the response while it is still writing.
const MAX_READ_FACTOR: usize = 64;

/// Handles a request for one connection.
pub(crate) async fn serve(gateway: &Gateway, api: &ApiConfig, id: &str, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let claim = match gateway.access.claim(api, &parts) {
        Ok(claim) => claim,
        Err(error) => return not_signed(&error),
    };
    if ![Method::POST, Method::GET, Method::DELETE].contains(&parts.method) {
        return forbidden("Missing Authentication Token");
    }
    let body = match body_of(gateway, body).await {
        Ok(body) => body,
        Err(error) => return error.answer(),
    };
    if let Err(error) = claim.verify(&parts, &body) {
        return not_signed(&error);
    }
    match ConnectionId::new(id) {
        Ok(id) if is_connection_id(id.as_str()) => {
            call(gateway, &parts.method, &id, body).unwrap_or_else(|error| failure(&error))
        }
        _ => {
            let message = format!("Invalid connectionId: {id}");
            endpoint::error(StatusCode::BAD_REQUEST, "BadRequestException", &message)
        }
    }
}

/// Runs a verified call.
fn call(gateway: &Gateway, method: &Method, id: &ConnectionId, body: Bytes) -> Result<Answer, Error> {
    let sockets = &gateway.sockets;
    sockets.admit_request()?;
    match *method {
        Method::GET => sockets.socket(id).map(|socket| describe(&socket)),
        Method::DELETE => sockets.delete(id).map(|()| empty(StatusCode::NO_CONTENT)),
        _ => sockets.post(id, frame_of(body)).map(|()| empty(StatusCode::OK)),
    }
}

/// Returns the response to a request whose signature is not accepted.
fn not_signed(error: &SignatureError) -> Answer {
    match error {
        SignatureError::Missing => forbidden(&error.to_string()),
        _ => endpoint::error(StatusCode::FORBIDDEN, error.name(), &error.to_string()),
    }
}

/// Returns the response to a request that is not signed, or not for this API.
pub(crate) fn forbidden(message: &str) -> Answer {
    endpoint::error(StatusCode::FORBIDDEN, "ForbiddenException", message)
}

fn failure(error: &Error) -> Answer {
    match error {
        Error::Gone => endpoint::error(StatusCode::GONE, "GoneException", "410"),
        Error::TooLarge => {
            endpoint::error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long")
        }
        Error::Throttled => endpoint::error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Limit exceeded"),
        _ => {
            endpoint::error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerErrorException", "Internal server error")
        }
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// Returns the description of a socket. Its members are in lower camel case, as SDKs expect, and unknown members are
/// absent.
fn describe(socket: &Socket) -> Answer {
    let identity = match &socket.user_agent {
        Some(agent) => serde_json::json!({ "sourceIp": socket.source_ip, "userAgent": agent }),
        None => serde_json::json!({ "sourceIp": socket.source_ip }),
    };
    let body = serde_json::json!({
        "connectedAt": iso_8601(socket.connected_at),
        "identity": identity,
        "lastActiveAt": iso_8601(socket.last_active_at),
    });
    endpoint::json(StatusCode::OK, body.to_string())
}

fn iso_8601(time: Timestamp) -> String {
    let nanos = i128::from(time.millis()) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(ISO_8601).unwrap_or_default()
}

/// The error of reading a body.
enum BodyError {
    /// The body is above the limit.
    TooLarge,
    /// The body ended early or is malformed.
    Broken,
    /// The body did not arrive in time.
    Late,
    /// The memory budget has no room for the body.
    NoMemory,
}

impl BodyError {
    fn answer(self) -> Answer {
        let mut answer = match self {
            Self::TooLarge => return failure(&Error::TooLarge),
            Self::NoMemory => return failure(&Error::Throttled),
            Self::Broken => endpoint::error(StatusCode::BAD_REQUEST, "BadRequestException", "Incomplete body"),
            Self::Late => endpoint::error(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", "Request timed out"),
        };
        // If the connection stayed open, the rest of the body would be read as the next request.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    }
}

/// Reads a body. The time limit is that of a request head, or that of a closing handshake once the gateway stops.
async fn body_of(gateway: &Gateway, body: Incoming) -> Result<Bytes, BodyError> {
    let limits = &gateway.limits;
    let _memory = limits.memory.try_reserve(limits.message_bytes).map_err(|_| BodyError::NoMemory)?;
    let stopped = async {
        gateway.stopped().await;
        tokio::time::sleep(limits.close_handshake).await;
    };
    tokio::select! {
        body = read(body, limits.message_bytes) => body,
        () = tokio::time::sleep(limits.header_read) => Err(BodyError::Late),
        () = stopped => Err(BodyError::Late),
    }
}

async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(limit);
    let mut kept = Vec::with_capacity(hint);
    let mut read = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        read = read.saturating_add(data.len());
        if read <= limit {
            kept.extend_from_slice(&data);
        } else if read > limit.saturating_mul(MAX_READ_FACTOR) {
            break;
        }
    }
    if read <= limit { Ok(kept.into()) } else { Err(BodyError::TooLarge) }
}
