//! Programs that return too much, or what is not allowed.

use crate::tidegate::route::types::{Error, Event, Payload, Reply, Request};
use crate::{Answer, done, number};

/// Replies with 16 MiB.
pub fn huge_reply(_: &Request, argument: &str) -> Answer {
    done("x".repeat(length(argument, 16 << 20)))
}

/// Fails with a text of 16 MiB, and status 500.
pub fn huge_error(_: &Request, argument: &str) -> Answer {
    Err(Error { status: 500, message: "e".repeat(length(argument, 16 << 20)) })
}

/// Refuses with a text of 16 MiB, and status 400.
pub fn huge_refusal(_: &Request, argument: &str) -> Answer {
    Err(Error { status: 400, message: "r".repeat(length(argument, 16 << 20)) })
}

/// Refuses with a text of quotation marks, which JSON escapes.
pub fn quotes_in_error(_: &Request, argument: &str) -> Answer {
    Err(Error { status: 400, message: "\"\\".repeat(length(argument, 8 << 20)) })
}

/// Refuses with a text of control characters, each of which JSON writes in six bytes.
pub fn controls_in_error(_: &Request, argument: &str) -> Answer {
    Err(Error { status: 400, message: "\u{1}\u{1b}".repeat(length(argument, 8 << 20)) })
}

/// Replies with 100,000 headers.
pub fn many_headers(_: &Request, _: &str) -> Answer {
    let headers = (0..100_000).map(|at| (format!("x-{at}"), "y".to_owned())).collect();
    Ok(Reply { status: 200, headers, body: Some(Payload::Text("headers".to_owned())) })
}

/// Replies with one header of 16 MiB.
pub fn huge_header(_: &Request, _: &str) -> Answer {
    let headers = vec![("sec-websocket-protocol".to_owned(), "p".repeat(16 << 20))];
    Ok(Reply { status: 200, headers, body: Some(Payload::Text("header".to_owned())) })
}

/// Replies with a status that does not exist.
pub fn bad_status(_: &Request, argument: &str) -> Answer {
    let status = u16::try_from(number(argument, 65_535)).unwrap_or_default();
    Ok(Reply { status, headers: Vec::new(), body: Some(Payload::Text("status".to_owned())) })
}

/// Replies with the largest body that is allowed.
pub fn largest_reply(_: &Request, _: &str) -> Answer {
    done("x".repeat(131_072))
}

/// Replies with 128 KiB of NUL.
pub fn nul_reply(_: &Request, _: &str) -> Answer {
    done("\0".repeat(131_072))
}

/// Replies with the message.
pub fn echo_back(request: &Request, _: &str) -> Answer {
    let body = match &request.event {
        Event::Message(message) => Some(message.data.clone()),
        Event::Connect(_) | Event::Disconnect(_) => None,
    };
    Ok(Reply { status: 200, headers: Vec::new(), body })
}

fn length(argument: &str, default: u64) -> usize {
    usize::try_from(number(argument, default)).unwrap_or_default()
}
