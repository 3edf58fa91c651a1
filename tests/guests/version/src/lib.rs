//! Answers with its version: one text of this component, which tests overwrite, so that a thousand versions need one build.
//!
//! A message is a sequence number and, after a space, a behaviour. Each is answered twice, by a note to the own connection
//! and by the reply, so that an event which ran on two versions would be seen. Any version may be told to `rest` in between;
//! one whose text begins with `BROKEN` fails as it is told, and others do not.

use std::hint::black_box;
use std::time::Duration;

use exports::tidegate::route::handler::Guest;
use tidegate::route::messaging;
use tidegate::route::types::{Error, Event, Payload, Reply, Request};

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/route", generate_all });

/// What tests overwrite. Whoever looks for it in the component must find it there once.
static VERSION: [u8; 18] = *b"VERSION-0000000000";
/// How long an event may be made to take.
const REST: Duration = Duration::from_secs(1);

struct Version;

impl Guest for Version {
    fn handle(request: Request) -> Result<Reply, Error> {
        let Event::Message(message) = &request.event else {
            return Ok(Reply { status: 200, headers: Vec::new(), body: None });
        };
        let Payload::Text(text) = &message.data else {
            return Err(Error { status: 400, message: "a message is text".to_owned() });
        };
        let (sequence, behaviour) = text.split_once(' ').unwrap_or((text, ""));
        let own = &request.connection.id;
        let said = |kind: &str| {
            let version = version();
            Payload::Text(format!(
                r#"{{"kind":"{kind}","version":"{version}","sequence":{sequence},"connection":"{own}"}}"#
            ))
        };
        if version().starts_with("BROKEN") {
            misbehave(behaviour)?;
        }
        messaging::send(own, &said("note")).expect("a note to the own connection");
        if behaviour == "rest" {
            std::thread::sleep(REST);
        }
        Ok(Reply { status: 200, headers: Vec::new(), body: Some(said("reply")) })
    }
}

export!(Version);

/// Read from memory each time: the compiler does not know what is in it.
fn version() -> &'static str {
    std::str::from_utf8(black_box(&VERSION)).expect("a version is text")
}

fn misbehave(behaviour: &str) -> Result<(), Error> {
    match behaviour {
        "trap" => std::process::abort(),
        "spin" => loop {
            black_box(());
        },
        "fail" => Err(Error { status: 500, message: "told to fail".to_owned() }),
        "refuse" => Err(Error { status: 400, message: "told to refuse".to_owned() }),
        _ => Ok(()),
    }
}
