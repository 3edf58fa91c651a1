//! A native function that replies with its version. The version is a text in this program that is overwritten, so that
//! many versions need one build. Its replies have the form of the tests' guest `version`.

use std::hint::black_box;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// Text that is overwritten. It must occur once in the program.
static VERSION: [u8; 18] = *b"VERSION-0000000000";

/// Event of a message, whose body is the number of a probe. MiniStack sends other events, without a number, too.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    body: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| answer(&event.payload))).await
}

fn answer(event: &Event) -> Result<Value, Error> {
    let Ok(sequence) = event.body.parse::<u64>() else { return Ok(json!({ "statusCode": 200 })) };
    // The compiler must not assume the original value.
    let version = std::str::from_utf8(black_box(&VERSION))?;
    // MiniStack waits 50 ms for a log line if there is none.
    eprintln!("{sequence}");
    let reply = json!({ "kind": "reply", "version": version, "sequence": sequence });
    Ok(json!({ "statusCode": 200, "body": reply.to_string() }))
}
