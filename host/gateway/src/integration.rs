//! One message through its route, replies and error frames.

use std::sync::Arc;

use tidegate_event::{Payload, decode_reply};
use tokio_tungstenite::tungstenite::Message;

use crate::connections::Peer;
use crate::gateway::Gateway;
use crate::ids::Id;
use crate::invoke::{Function, InvokeError};
use crate::outbox::frame_of;

/// No route matches (observed).
pub(crate) const FORBIDDEN: &str = "Forbidden";
/// The integration failed, or its answer was malformed.
pub(crate) const INTERNAL: &str = "Internal server error";
/// The integration took too long.
pub(crate) const TIMED_OUT: &str = "Endpoint request timed out";
/// The account's rate is exhausted (unconfirmed).
pub(crate) const THROTTLED: &str = "Too Many Requests";

/// A message on its way through the integration of its route.
pub(crate) struct Call {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) request_id: Id,
    /// The event, encoded.
    pub(crate) event: Vec<u8>,
    /// Whether the route has a route response.
    pub(crate) response: bool,
}

impl Call {
    /// Invokes the integration, and sends the client what it is to see of the outcome.
    pub(crate) async fn run(self) {
        let Self { gateway, peer, request_id, event, response } = self;
        let problem = match gateway.invoke(Function::Handler, event).await {
            Ok(json) => match body_of(&json, gateway.connections.limits.message_bytes) {
                Ok(body) => {
                    if let Some(body) = body.filter(|_| response) {
                        peer.outbox.reply(body);
                    }
                    return;
                }
                Err(problem) => {
                    tracing::warn!(connection = %peer.id, request = request_id.as_str(), problem, "the reply is malformed");
                    INTERNAL
                }
            },
            Err(InvokeError::Timeout) => TIMED_OUT,
            Err(error) => {
                tracing::debug!(connection = %peer.id, request = request_id.as_str(), %error, "the integration failed");
                INTERNAL
            }
        };
        peer.outbox.reply(error_frame(problem, &peer, request_id));
    }
}

/// The body of a reply as a frame.
fn body_of(json: &[u8], limit: usize) -> Result<Option<Message>, String> {
    let reply = decode_reply(json).map_err(|error| error.to_string())?;
    match reply.body {
        Some(body) if body.len() > limit => Err(format!("a body of {} bytes, above the limit of {limit}", body.len())),
        Some(Payload::Text(text)) => Ok(Some(Message::text(text))),
        Some(Payload::Binary(bytes)) => Ok(Some(frame_of(bytes.into()))),
        None => Ok(None),
    }
}

/// The frame that tells a client what became of its message.
pub(crate) fn error_frame(problem: &str, peer: &Peer, request_id: Id) -> Message {
    Message::text(error_body(problem, peer.id.as_str(), request_id.as_str()))
}

/// An error in API Gateway's own spacing (observed). Neither ids nor messages need escaping.
pub(crate) fn error_body(message: &str, connection_id: &str, request_id: &str) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#)
}
