//! Conversions between the types of `event` and those of the bindings.

use tidegate_event as event;

use crate::bindings::exports::tidegate::route::connect_authorizer as authorizer;
use crate::bindings::tidegate::route::types as wit;

pub(crate) fn connection(connection: event::Connection) -> wit::Connection {
    wit::Connection {
        id: connection.id.into(),
        connected_at: connection.connected_at.millis(),
        source_ip: connection.source_ip,
        user_agent: connection.user_agent,
        domain_name: connection.domain_name,
        stage: connection.stage,
        principal: connection.principal,
        context: connection.context,
    }
}

/// Returns the connection for an authorizer, which runs before a principal is known.
pub(crate) fn unauthorized_connection(connection: event::Connection) -> wit::Connection {
    wit::Connection { principal: None, context: Vec::new(), ..self::connection(connection) }
}

pub(crate) fn handshake(mut handshake: event::Handshake) -> wit::Handshake {
    for (name, _) in &mut handshake.headers {
        name.make_ascii_lowercase();
    }
    wit::Handshake { headers: handshake.headers, query: handshake.query }
}

pub(crate) fn message(message: event::Message) -> wit::Message {
    let data = match message.data {
        event::Payload::Text(text) => wit::Payload::Text(text),
        event::Payload::Binary(bytes) => wit::Payload::Binary(bytes),
    };
    wit::Message { id: message.id.into(), data }
}

pub(crate) fn closing(closing: event::Closing) -> wit::Closing {
    wit::Closing { code: closing.code, reason: closing.reason }
}

pub(crate) fn payload(payload: wit::Payload) -> event::Payload {
    match payload {
        wit::Payload::Text(text) => event::Payload::Text(text),
        wit::Payload::Binary(bytes) => event::Payload::Binary(bytes),
    }
}

pub(crate) fn decision(decision: authorizer::Decision) -> event::Decision {
    match decision {
        authorizer::Decision::Allow(identity) => {
            event::Decision::Allow(event::Identity { principal: identity.principal, context: identity.context })
        }
        authorizer::Decision::Deny => event::Decision::Deny,
        authorizer::Decision::Unauthorized => event::Decision::Unauthorized,
    }
}
