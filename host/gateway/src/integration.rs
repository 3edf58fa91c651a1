//! One message: the invocation, the reply and the error frame.

use std::sync::Arc;

use tidegate_diagnostic::Code;
use tidegate_event::{Payload, RouteKey, decode_reply};
use tidegate_ports::Reservation;
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::Gateway;
use crate::ids::Id;
use crate::invoke::{Caller, Function, InvokeError};
use crate::outbox::frame_of;
use crate::socket_table::Peer;

/// The error frame's message if no route matches (observed).
pub(crate) const FORBIDDEN: &str = "Forbidden";
/// The error frame's message if the integration failed or its reply was malformed.
pub(crate) const INTERNAL: &str = "Internal server error";
/// The error frame's message if the integration timed out.
pub(crate) const TIMED_OUT: &str = "Endpoint request timed out";
/// The error frame's message if the account's rate limit is exceeded (unconfirmed).
pub(crate) const THROTTLED: &str = "Too Many Requests";

/// A message on its route.
pub(crate) struct Call {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) request_id: Id,
    pub(crate) route: RouteKey,
    /// The encoded event.
    pub(crate) event: Vec<u8>,
    /// True if the route has a route response.
    pub(crate) response: bool,
    /// The call in the memory budget.
    pub(crate) _memory: Reservation,
}

impl Call {
    /// Invokes the integration, and sends the reply or an error frame to the client.
    pub(crate) async fn run(self) {
        let Self { gateway, peer, request_id, route, event, response, _memory } = self;
        let caller = Caller { route: &route, connection: &peer.id, departed: &peer.departed };
        let message = match gateway.invoke(Function::Handler, event, caller).await {
            Ok(json) => match body_of(&json, gateway.limits.message_bytes) {
                Ok(body) => {
                    if let Some(body) = body.filter(|_| response) {
                        peer.outbox.reply(body);
                    }
                    return;
                }
                Err(problem) => {
                    let code = Code::ReplyInvalid;
                    let connection = &peer.id;
                    tracing::warn!(%connection, request = request_id.as_str(), %code, problem, "cannot use the reply");
                    INTERNAL
                }
            },
            Err(InvokeError::Timeout) => TIMED_OUT,
            Err(error) => {
                let connection = &peer.id;
                tracing::debug!(%connection, request = request_id.as_str(), %error, "cannot run the integration");
                INTERNAL
            }
        };
        peer.outbox.reply(error_frame(message, &peer, request_id));
    }
}

/// Returns the body of a reply as a frame.
fn body_of(json: &[u8], limit: usize) -> Result<Option<Message>, String> {
    let reply = decode_reply(json).map_err(|error| error.to_string())?;
    match reply.body {
        Some(body) if body.len() > limit => Err(format!("a body of {} bytes, above the limit of {limit}", body.len())),
        Some(Payload::Text(text)) => Ok(Some(Message::text(text))),
        Some(Payload::Binary(bytes)) => Ok(Some(frame_of(bytes.into()))),
        None => Ok(None),
    }
}

/// Returns an error frame with this message.
pub(crate) fn error_frame(message: &str, peer: &Peer, request_id: Id) -> Message {
    Message::text(error_body(message, peer.id.as_str(), request_id.as_str()))
}

/// Returns the body of an error with API Gateway's spacing (observed). Ids and messages need no escaping.
pub(crate) fn error_body(message: &str, connection_id: &str, request_id: &str) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#)
}
