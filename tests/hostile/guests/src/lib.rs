//! Programs that attack the host. The event selects one by its name and, after a space, its argument.
//!
//! - A message: the member `do`, for example `{"action":"a00","do":"spin"}`.
//! - `$connect`: the query parameter `do`.
//! - `$disconnect`: the query parameter `leave` of the handshake, which the authorizer puts into the context.
//! - The authorizer: the query parameter `authorize`.
//!
//! The first line of a program's comment is its row in the table of docs/RELIABILITY.md. `tests/hostile/guests.py`
//! reads these comments, and gives each program its clients.

mod cpu;
mod logs;
mod memory;
mod messaging;
mod registry;
mod replies;
mod stack;
mod storage;
mod traps;
mod wasi_calls;

use std::hint::black_box;

use exports::tidegate::route::connect_authorizer::{self, Connection, Decision, Handshake, Identity};
use exports::tidegate::route::handler;
use tidegate::route::types::{Error, Event, Fields, Payload, Reply, Request};

use self::cpu::*;
use self::logs::*;
use self::memory::*;
use self::messaging::*;
use self::registry::*;
use self::replies::*;
use self::stack::*;
use self::storage::*;
use self::traps::*;
use self::wasi_calls::*;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:hostile;

        world hostile {
            include tidegate:route/route@0.1.0;
            include tidegate:route/authorizer@0.1.0;
            import wasi:random/random@0.2.0;
            import wasi:clocks/monotonic-clock@0.2.0;
        }

        package wasi:io@0.2.0 {
            interface poll {
                resource pollable {
                    ready: func() -> bool;
                    block: func();
                }
                poll: func(in: list<borrow<pollable>>) -> list<u32>;
            }
        }

        package wasi:clocks@0.2.0 {
            interface monotonic-clock {
                use wasi:io/poll@0.2.0.{pollable};
                type instant = u64;
                type duration = u64;
                now: func() -> instant;
                resolution: func() -> duration;
                subscribe-instant: func(when: instant) -> pollable;
                subscribe-duration: func(when: duration) -> pollable;
            }
        }

        package wasi:random@0.2.0 {
            interface random {
                get-random-bytes: func(len: u64) -> list<u8>;
                get-random-u64: func() -> u64;
            }
        }
    ",
    world: "test:hostile/hostile",
    generate_all,
});

/// The outcome of a program.
type Answer = Result<Reply, Error>;
/// A program: the event, and the argument.
type Program = fn(&Request, &str) -> Answer;

/// Passes the names of all programs to the macro `$with`.
macro_rules! programs {
    ($with:ident) => {
        $with! {
            nothing, spin, spin_with_clock, spin_with_config, spin_with_open, recurse, bursts, compute, until_late,
            divide_often, sort, hash, indirect_calls,
            fill, copy, fill_once, grow, allocate, fragment, touch_pages, hold, zeroed, realloc, grow_and_return,
            overflow, deep, large_frame, call_from_depth, sleep_at_depth,
            unreachable, panic, panic_at_length, out_of_bounds, bad_conversion, bad_call, exit, exit_after_calls,
            scribble, double_panic,
            huge_reply, huge_error, huge_refusal, quotes_in_error, controls_in_error, many_headers, huge_header,
            bad_status, largest_reply, nul_reply, echo_back,
            lines, one_line, bytes, controls, empty_lines, byte_by_byte, flood_stdout, flood_stderr, forged_lines,
            clocks, random, random_huge, sleep, sleep_often, sleep_zero, pollables, poll_many, read_stdin,
            environment, busy_poll,
            send_gone, send_many_gone, send_too_many, send_self, send_huge, broadcast, broadcast_excluding,
            broadcast_loop, close_self, close_unknown, describe_socket, greet, edge_ids,
            join_and_leave, join_many, count_members, list_all, attributes, many_attributes, describe_rows,
            made_up_members, enter,
            put_loop, put_large, update_names, update_many, members, deep_document, get_many, query_forever,
            made_up_cursors, transact_loop, conflicts, hot_key, handles, open_and_drop, edge_keys, delete_loop,
            long_numbers, escapes, append_forever, large_invalid, fill_partition,
        }
    };
}

/// Runs the program that a command names. No command does nothing.
///
/// `black_box` keeps the programs out of this function: one of them has a frame larger than the stack.
fn run(request: &Request, command: &str) -> Answer {
    let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
    macro_rules! call {
        ($($program:ident),* $(,)?) => {
            match name {
                "" => nothing(request, argument),
                $(stringify!($program) => black_box($program as Program)(request, argument),)*
                _ => Err(Error { status: 400, message: format!("no program is called `{name}`") }),
            }
        };
    }
    programs!(call)
}

/// Does nothing, as fast as a guest can.
pub fn nothing(_: &Request, _: &str) -> Answer {
    done("nothing")
}

struct Hostile;

impl handler::Guest for Hostile {
    fn handle(request: Request) -> Answer {
        let command = match &request.event {
            Event::Connect(handshake) => field(&handshake.query, "do").to_owned(),
            Event::Message(message) => member(text(&message.data)).to_owned(),
            Event::Disconnect(_) => field(&request.connection.context, "leave").to_owned(),
        };
        run(&request, &command)
    }
}

impl connect_authorizer::Guest for Hostile {
    fn authorize(connection: Connection, handshake: Handshake) -> Result<Decision, Error> {
        let request = Request {
            request_id: String::new(),
            route_key: "$connect".to_owned(),
            received_at: 0,
            connection,
            event: Event::Connect(Handshake { headers: Vec::new(), query: handshake.query }),
        };
        let Event::Connect(Handshake { query, .. }) = &request.event else { unreachable!() };
        let command = field(query, "authorize");
        match command {
            "" => {}
            "huge_context" => return allow(vec![("x".to_owned(), "y".repeat(16 << 20))]),
            "many_fields" => return allow((0..100_000).map(|at| (at.to_string(), String::new())).collect()),
            "deny" => return Ok(Decision::Deny),
            _ => drop(run(&request, command)?),
        }
        allow(vec![("leave".to_owned(), field(query, "leave").to_owned())])
    }
}

export!(Hostile);

fn allow(context: Fields) -> Result<Decision, Error> {
    Ok(Decision::Allow(Identity { principal: "mallory".to_owned(), context }))
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// Returns the member `do` of a message. A program needs no JSON parser for that.
fn member(message: &str) -> &str {
    let rest = message.split_once(r#""do":""#).map_or("", |(_, rest)| rest);
    rest.split_once('"').map_or("", |(command, _)| command)
}

fn text(data: &Payload) -> &str {
    match data {
        Payload::Text(text) => text,
        Payload::Binary(_) => "",
    }
}

fn done(text: impl Into<String>) -> Answer {
    Ok(Reply { status: 200, headers: Vec::new(), body: Some(Payload::Text(text.into())) })
}

/// Returns the number in the argument, or a default.
fn number(argument: &str, default: u64) -> u64 {
    argument.parse().unwrap_or(default)
}
