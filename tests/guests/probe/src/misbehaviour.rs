//! Faults: traps, endless loops, and calls above the limits of an event.

use std::hint::black_box;

use crate::Answer;
use crate::tidegate::route::storage::{Key, WriteOptions};
use crate::tidegate::route::types::{Payload, Request};
use crate::tidegate::route::{connections, messaging, storage};
use crate::wasi::config::store;

/// Traps in a nested call, two functions deep.
pub fn trap(_: &Request, _: &str) -> Answer {
    outer_function_of_the_trap(black_box(1));
    Ok(String::new())
}

#[inline(never)]
fn outer_function_of_the_trap(depth: u32) {
    inner_function_of_the_trap(black_box(depth) + 1);
    black_box(depth);
}

#[inline(never)]
fn inner_function_of_the_trap(depth: u32) {
    if black_box(depth) > 0 {
        std::process::abort();
    }
}

/// Panics. The panic writes to stderr before it traps.
pub fn panicking(_: &Request, _: &str) -> Answer {
    panic!("the probe was asked to panic")
}

/// Recurses until the stack overflows.
pub fn overflow(_: &Request, _: &str) -> Answer {
    Ok(dig(black_box(1)).to_string())
}

#[inline(never)]
fn dig(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    let frame = black_box([depth; 64]);
    dig(depth + 1) + frame[usize::try_from(depth % 64).unwrap_or_default()]
}

/// Parses as many nested arrays as the argument names, with a recursive function.
pub fn nested(_: &Request, argument: &str) -> Answer {
    let depth: usize = argument.parse().expect("a depth");
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(parse(text.as_bytes()), Some(&b""[..]));
    Ok("parsed".to_owned())
}

/// Parses one array, and returns the rest.
#[inline(never)]
fn parse(text: &[u8]) -> Option<&[u8]> {
    let frame = black_box([0_u8; 128]);
    let rest = match text.strip_prefix(b"[")? {
        inner if inner.starts_with(b"[") => parse(inner)?,
        inner => inner,
    };
    rest.strip_prefix(b"]").filter(|_| frame[rest.len() % 128] == 0)
}

/// Computes until the deadline.
pub fn spin(_: &Request, _: &str) -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Calls the host until the deadline.
pub fn spin_and_call(_: &Request, _: &str) -> Answer {
    loop {
        let _ = black_box(connections::count("lobby"));
    }
}

/// Allocates until the memory is exhausted.
pub fn memory(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Opens a collection until the handle table is full.
pub fn handles(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(storage::open("notes").expect("`notes` is granted"));
    }
}

/// Makes ten of the host calls in the argument. Without an argument, puts documents until the byte limit of the event.
pub fn host_calls(request: &Request, argument: &str) -> Answer {
    let own = &request.connection.id;
    for _ in 0..10 {
        match argument {
            "" => break,
            "get" => drop(store::get("plan").expect("a value")),
            "get_all" => drop(store::get_all().expect("values")),
            "describe" => drop(connections::describe(own).expect("the entry")),
            "list" => drop(connections::list_connections(10, None).expect("a page")),
            "socket" => drop(messaging::describe(own).expect("a socket")),
            _ => panic!("no such call"),
        }
    }
    if !argument.is_empty() {
        return Ok("all of them".to_owned());
    }
    let notes = storage::open("notes").expect("`notes` is granted");
    let key = Key { partition: "p".to_owned(), sort: "s".to_owned() };
    let document = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    loop {
        notes.put(&key, &document, &WriteOptions { condition: None, expires_at: None }).expect("a put");
    }
}

/// Makes one host call with 20 MiB, which is above the byte limit of the event.
pub fn large_call(request: &Request, _: &str) -> Answer {
    let sent = messaging::send(&request.connection.id, &Payload::Binary(vec![0; 20 << 20]));
    Ok(format!("{sent:?}"))
}

/// Calls `exit` with the status in the argument.
pub fn exit(_: &Request, argument: &str) -> Answer {
    std::process::exit(argument.parse().expect("a status"))
}
