//! The flow of one event, and its stages: decode, run, encode.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark has nobody to report to"
)]
#![allow(dead_code, reason = "the modules are shared with the tests, which use all of them")]

mod common;
#[path = "../tests/runtime/events.rs"]
mod events;
#[path = "../tests/runtime/fixture.rs"]
mod fixture;
#[path = "../tests/runtime/guests.rs"]
mod guests;
#[path = "../tests/runtime/world/mod.rs"]
mod world;

use common::{deadline, executor, hosts};
use criterion::{Criterion, criterion_group, criterion_main};
use tidegate_event::{Payload, Reply, decode_request, encode_reply};

const TEXT: &str = "{\"action\":\"echo\",\"text\":\"hello\"}";

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let event = events::message("echo", TEXT);
    group.bench_function("decode a message", |bencher| bencher.iter(|| decode_request(&event).unwrap()));
    let reply = Reply { status: 200, headers: Vec::new(), body: Some(Payload::Text(TEXT.to_owned())) };
    group.bench_function("encode a reply", |bencher| bencher.iter(|| encode_reply(&reply)));
    group.finish();
}

fn dispatch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dispatch");
    let executor = executor();
    for (name, host) in hosts() {
        for (what, event) in [
            ("echo", events::message("echo", TEXT)),
            ("a route that logs nothing, with WASI linked", events::message("any", "counter")),
            ("five documents", events::message("any", "transactions")),
            ("connect", events::connect("echo")),
        ] {
            group.bench_function(format!("{what} ({name})"), |bencher| {
                bencher.to_async(&executor).iter(|| async { host.dispatch(&event, deadline()).await.response });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, codec, dispatch);
criterion_main!(benches);
