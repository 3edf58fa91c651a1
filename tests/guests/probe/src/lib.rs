//! A route whose behaviour the test selects. It asserts the values and errors that the host returns.
//!
//! The text of the event is the name of a behaviour and, after a space, its argument. The text is the data of a
//! message, the query parameter `do` of a handshake, or the reason of a close. A failed assertion traps, and the trap
//! fails the test.

mod connections;
mod messaging;
mod misbehaviour;
mod replies;
mod sandbox;
mod storage;

use exports::tidegate::route::handler::Guest;
use tidegate::route::types::{Error, Event, Payload, Reply, Request};

use self::connections::*;
use self::messaging::*;
use self::misbehaviour::*;
use self::replies::*;
use self::sandbox::*;
use self::storage::*;

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/route", generate_all });

include!("../../behaviours.rs");

/// The outcome of a behaviour: the text of the reply, or an error.
type Answer = Result<String, Error>;

struct Probe;

impl Guest for Probe {
    fn handle(request: Request) -> Result<Reply, Error> {
        let command = match &request.event {
            Event::Connect(handshake) => {
                let parameter = handshake.query.iter().find(|(name, _)| name == "do");
                parameter.map_or("echo", |(_, value)| value).to_owned()
            }
            Event::Message(message) => text(&message.data).to_owned(),
            Event::Disconnect(closing) => closing.reason.clone(),
        };
        let (name, argument) = command.split_once(' ').unwrap_or((&command, ""));
        macro_rules! call {
            ($($behaviour:ident),* $(,)?) => {
                match name {
                    $(stringify!($behaviour) => $behaviour(&request, argument).into_reply(),)*
                    _ => panic!("no behaviour is called {name:?}"),
                }
            };
        }
        behaviours!(call)
    }
}

export!(Probe);

trait IntoReply {
    fn into_reply(self) -> Result<Reply, Error>;
}

impl IntoReply for Answer {
    fn into_reply(self) -> Result<Reply, Error> {
        Ok(Reply { status: 200, headers: Vec::new(), body: Some(Payload::Text(self?)) })
    }
}

impl IntoReply for Result<Reply, Error> {
    fn into_reply(self) -> Result<Reply, Error> {
        self
    }
}

fn text(data: &Payload) -> &str {
    match data {
        Payload::Text(text) => text,
        Payload::Binary(bytes) => std::str::from_utf8(bytes).expect("a message to the probe is text"),
    }
}

fn hello(text: &str) -> Payload {
    Payload::Text(text.to_owned())
}
