//! Instantiate, call and drop the echo component: an event that is decoded already, to its encoded reply.

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
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tidegate_event::decode_request;

fn instance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("instantiate, call, drop");
    let event = events::message("echo", "{\"action\":\"echo\",\"text\":\"hello\"}");
    let executor = executor();
    for (name, host) in hosts() {
        group.bench_function(name, |bencher| {
            bencher.to_async(&executor).iter_batched(
                || decode_request(&event).unwrap(),
                |request| async { host.run(request, deadline()).await.response.unwrap() },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, instance);
criterion_main!(benches);
