//! A native function that answers with its version: one text of this program, which is overwritten, so that many versions need
//! one build. It answers as the guest `version` of the tests does.

use std::hint::black_box;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// What is overwritten. Whoever looks for it in the program must find it there once.
static VERSION: [u8; 18] = *b"VERSION-0000000000";

/// A message: the number of a question. MiniStack gives the other events to the only route too, with none.
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
    // Read from memory each time: the compiler does not know what is in it.
    let version = std::str::from_utf8(black_box(&VERSION))?;
    // MiniStack waits 50 ms for a line of the log where there is none.
    eprintln!("{sequence}");
    let reply = json!({ "kind": "reply", "version": version, "sequence": sequence });
    Ok(json!({ "statusCode": 200, "body": reply.to_string() }))
}
