//! A route that replies with its version.
//!
//! The version is a static text of this component. Tests overwrite it in the compiled file, so a thousand versions need
//! one build.
//!
//! A message is a sequence number and, after a space, a behaviour. The route answers twice, with a note to its own
//! connection and with the reply, so a test detects an event that ran on two versions. The behaviour `rest` sleeps
//! between the two. The other behaviours fail, but only in a version whose text begins with `BROKEN`.

use std::hint::black_box;
use std::time::Duration;

use exports::tidegate::route::handler::Guest;
use tidegate::route::messaging;
use tidegate::route::types::{Error, Event, Payload, Reply, Request};

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/route", generate_all });

/// The text that tests overwrite. It must occur exactly once in the component.
static VERSION: [u8; 18] = *b"VERSION-0000000000";
/// The duration of the behaviour `rest`.
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
        let answer = |kind: &str| {
            let version = version();
            Payload::Text(format!(
                r#"{{"kind":"{kind}","version":"{version}","sequence":{sequence},"connection":"{own}"}}"#
            ))
        };
        if version().starts_with("BROKEN") {
            misbehave(behaviour)?;
        }
        messaging::send(own, &answer("note")).expect("a note to the own connection");
        if behaviour == "rest" {
            std::thread::sleep(REST);
        }
        Ok(Reply { status: 200, headers: Vec::new(), body: Some(answer("reply")) })
    }
}

export!(Version);

/// Returns the version. `black_box` prevents the compiler from inlining the text.
fn version() -> &'static str {
    std::str::from_utf8(black_box(&VERSION)).expect("a version is text")
}

fn misbehave(behaviour: &str) -> Result<(), Error> {
    match behaviour {
        "trap" => std::process::abort(),
        "spin" => loop {
            black_box(());
        },
        "fail" => Err(Error { status: 500, message: "asked to fail".to_owned() }),
        "refuse" => Err(Error { status: 400, message: "asked to refuse".to_owned() }),
        _ => Ok(()),
    }
}
