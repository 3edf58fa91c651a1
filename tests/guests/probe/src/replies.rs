//! Replies and errors.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::tidegate::route::types::{Error, Event, Payload, Reply, Request};
use crate::{Answer, text};

static EVENTS: AtomicU32 = AtomicU32::new(0);

/// Returns the whole payload of a message, with a sub-protocol and a header that must not reach the client.
pub fn echo(request: &Request, argument: &str) -> Result<Reply, Error> {
    let body = match &request.event {
        Event::Message(message) => Some(message.data.clone()),
        Event::Connect(_) | Event::Disconnect(_) => Some(Payload::Text(argument.to_owned())),
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![header("Sec-WebSocket-Protocol", "chat"), header("x-secret", "the client must not see this")];
    Ok(Reply { status: 200, headers, body })
}

/// Returns the status in the argument.
pub fn status(_: &Request, argument: &str) -> Result<Reply, Error> {
    let status = argument.parse().expect("a status");
    Ok(Reply { status, headers: Vec::new(), body: Some(Payload::Text("refused, with reasons".to_owned())) })
}

/// Returns an error with the status in the argument.
pub fn fail(_: &Request, argument: &str) -> Answer {
    Err(Error { status: argument.parse().expect("a status"), message: "no such \"room\"".to_owned() })
}

/// Returns a body with the number of bytes in the argument.
pub fn large_reply(_: &Request, argument: &str) -> Answer {
    Ok("x".repeat(argument.parse().expect("a length")))
}

/// Returns the number of events that this instance has handled before.
pub fn counter(_: &Request, _: &str) -> Answer {
    Ok(EVENTS.fetch_add(1, Ordering::Relaxed).to_string())
}

/// Returns all values of the event.
pub fn context(request: &Request, _: &str) -> Answer {
    let connection = &request.connection;
    let event = match &request.event {
        Event::Connect(handshake) => format!("connect {:?} {:?}", handshake.headers, handshake.query),
        Event::Message(message) => format!("message {} {}", message.id, text(&message.data)),
        Event::Disconnect(closing) => format!("disconnect {} {}", closing.code, closing.reason),
    };
    Ok(format!(
        "{} {} {} {} {} {} {:?} {} {} {:?} {:?} {event}",
        request.request_id,
        request.route_key,
        request.received_at,
        connection.id,
        connection.connected_at,
        connection.source_ip,
        connection.user_agent,
        connection.domain_name,
        connection.stage,
        connection.principal,
        connection.context,
    ))
}
