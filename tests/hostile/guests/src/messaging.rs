//! Programs that send: to nobody, to too many, to clients that do not read, and more than the clients asked for.

use crate::tidegate::route::connections;
use crate::tidegate::route::messaging;
use crate::tidegate::route::types::{Payload, Request};
use crate::{Answer, done, number};

const LARGEST: usize = 131_072;

/// Sends to connections that do not exist, until the deadline.
pub fn send_gone(_: &Request, _: &str) -> Answer {
    for at in 0_u64.. {
        _ = messaging::send(&made_up(at), &hello());
    }
    done("sent")
}

/// Sends to 1,000 connections that do not exist at once, four times, so that the host has rows to reap.
pub fn send_many_gone(_: &Request, _: &str) -> Answer {
    for round in 0..4 {
        let to: Vec<String> = (0..1_000).map(|at| made_up(round * 1_000 + at)).collect();
        _ = messaging::send_many(&to, &hello());
    }
    done("sent")
}

/// Sends to 10,000 connections at once, which is refused, until the deadline.
pub fn send_too_many(_: &Request, _: &str) -> Answer {
    let to: Vec<String> = (0..10_000).map(made_up).collect();
    loop {
        _ = messaging::send_many(&to, &hello());
    }
}

/// Sends the largest message to its own client until the host refuses.
pub fn send_self(request: &Request, _: &str) -> Answer {
    let data = Payload::Text("m".repeat(LARGEST));
    for _ in 0..110 {
        _ = messaging::send(&request.connection.id, &data);
    }
    done("sent")
}

/// Sends a message of 8 MiB, which is refused, until the byte limit of the event.
pub fn send_huge(request: &Request, _: &str) -> Answer {
    let data = Payload::Text("h".repeat(8 << 20));
    loop {
        _ = messaging::send(&request.connection.id, &data);
    }
}

/// Sends to all members of a group once.
pub fn broadcast(_: &Request, argument: &str) -> Answer {
    let length = usize::try_from(number(argument, 100)).unwrap_or_default();
    let counts = messaging::broadcast("crowd", &Payload::Text("b".repeat(length)), &[]);
    done(format!("{counts:?}"))
}

/// Sends to all members of a group but 100, which are made up.
pub fn broadcast_excluding(_: &Request, _: &str) -> Answer {
    let excluding: Vec<String> = (0..100).map(made_up).collect();
    loop {
        _ = messaging::broadcast("crowd", &hello(), &excluding);
    }
}

/// Sends to all members of a group until the deadline.
pub fn broadcast_loop(_: &Request, argument: &str) -> Answer {
    let data = Payload::Text("b".repeat(usize::try_from(number(argument, 1_000)).unwrap_or_default()));
    loop {
        _ = messaging::broadcast("crowd", &data, &[]);
    }
}

/// Closes its own connection.
pub fn close_self(request: &Request, _: &str) -> Answer {
    _ = messaging::close(&request.connection.id);
    done("closed")
}

/// Closes connections that do not exist, until the deadline.
pub fn close_unknown(_: &Request, _: &str) -> Answer {
    for at in 0_u64.. {
        _ = messaging::close(&made_up(at));
    }
    done("closed")
}

/// Describes its own socket until the deadline.
pub fn describe_socket(request: &Request, _: &str) -> Answer {
    loop {
        _ = messaging::describe(&request.connection.id);
    }
}

/// Joins a group, and sends its own client 64 messages of 128 KiB while it connects.
pub fn greet(request: &Request, _: &str) -> Answer {
    _ = connections::join("crowd", &request.connection.id);
    let data = Payload::Text("g".repeat(LARGEST));
    for _ in 0..64 {
        _ = messaging::send(&request.connection.id, &data);
    }
    done("greeted")
}

/// Sends to ids that are empty, long, or contain NUL, line feeds and slashes.
pub fn edge_ids(_: &Request, _: &str) -> Answer {
    let long = "i".repeat(100_000);
    let ids = ["", "\0", "a\r\nHost: x", "../../x", "@connections", "%2e%2e", "\u{1b}[2J", "🦀", &long];
    for _ in 0..20 {
        for id in ids {
            _ = messaging::send(id, &hello());
            _ = messaging::describe(id);
            _ = messaging::close(id);
            _ = connections::describe(id);
            _ = connections::join("crowd", id);
        }
    }
    done("tried")
}

/// Returns an id that has the form of an id, and that no connection has.
fn made_up(at: u64) -> String {
    format!("gone{at:011}=")
}

fn hello() -> Payload {
    Payload::Text("hello".to_owned())
}
