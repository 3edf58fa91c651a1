//! The cost of a message in JSON: decoding and encoding the event and the reply, and route selection.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate_event::{Payload, Reply, SelectionExpression, decode_reply, decode_request, encode_reply, encode_request};

const MESSAGE: &[u8] = include_bytes!("../tests/fixtures/message.json");
const CONNECT: &[u8] = include_bytes!("../tests/fixtures/connect-query-authorizer.json");

fn codec(criterion: &mut Criterion) {
    for (name, fixture) in [("message", MESSAGE), ("connect", CONNECT)] {
        let request = decode_request(fixture).unwrap();
        let json = encode_request(&request);
        criterion.bench_function(&format!("{name} decode"), |b| b.iter(|| decode_request(black_box(&json))));
        criterion.bench_function(&format!("{name} encode"), |b| b.iter(|| encode_request(black_box(&request))));
    }
    let body = r#"{"action":"chat","room":"lobby","text":"hello, everybody"}"#;
    let reply = Reply { status: 200, headers: vec![], body: Some(Payload::Text(body.to_owned())) };
    let json = encode_reply(&reply);
    criterion.bench_function("reply decode", |b| b.iter(|| decode_reply(black_box(&json))));
    criterion.bench_function("reply encode", |b| b.iter(|| encode_reply(black_box(&reply))));
    let expression = SelectionExpression::parse("$request.body.action").unwrap();
    criterion.bench_function("selection", |b| b.iter(|| expression.evaluate(black_box(body))));
}

criterion_group!(benches, codec);
criterion_main!(benches);
