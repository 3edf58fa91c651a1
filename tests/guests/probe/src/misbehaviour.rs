//! Ways to go wrong.

use std::hint::black_box;

use crate::Answer;
use crate::tidegate::route::storage::{Key, WriteOptions};
use crate::tidegate::route::types::{Payload, Request};
use crate::tidegate::route::{connections, messaging, storage};
use crate::wasi::config::store;

/// Traps two functions deep.
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

/// Panics, which writes to stderr first.
pub fn panicking(_: &Request, _: &str) -> Answer {
    panic!("the probe was asked to panic")
}

/// Recurses without end.
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

/// Computes without end.
pub fn spin(_: &Request, _: &str) -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Allocates without end.
pub fn memory(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Opens a collection again and again.
pub fn handles(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(storage::open("notes").expect("`notes` is granted"));
    }
}

/// Moves a little through each of very many host calls: puts, or ten of the calls that it is told.
pub fn host_calls(request: &Request, told: &str) -> Answer {
    let own = &request.connection.id;
    for _ in 0..10 {
        match told {
            "" => break,
            "get" => drop(store::get("plan").expect("a value")),
            "get_all" => drop(store::get_all().expect("values")),
            "describe" => drop(connections::describe(own).expect("the entry")),
            "list" => drop(connections::list_connections(10, None).expect("a page")),
            "socket" => drop(messaging::describe(own).expect("a socket")),
            _ => panic!("no such call"),
        }
    }
    if !told.is_empty() {
        return Ok("all of them".to_owned());
    }
    let notes = storage::open("notes").expect("`notes` is granted");
    let key = Key { partition: "p".to_owned(), sort: "s".to_owned() };
    let document = format!("{{\"text\":\"{}\"}}", "x".repeat(100_000));
    loop {
        notes.put(&key, &document, &WriteOptions { condition: None, expires_at: None }).expect("a put");
    }
}

/// Moves very much through one host call.
pub fn large_call(request: &Request, _: &str) -> Answer {
    let sent = messaging::send(&request.connection.id, &Payload::Binary(vec![0; 20 << 20]));
    Ok(format!("{sent:?}"))
}

/// Ends the process that it takes itself for, with the status that it is told.
pub fn exit(_: &Request, told: &str) -> Answer {
    std::process::exit(told.parse().expect("a status"))
}
