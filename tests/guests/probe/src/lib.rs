//! Behaves as its event asks, well or badly, and asserts what the host gives it.
//!
//! The event's text is the name of a behaviour and, after a space, what it is told: a message's body, the query parameter
//! `do` of a handshake, the reason of a close. A wrong answer of the host is a panic, hence a trap, hence a failed test.

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

/// What a behaviour answers with: the text of the reply, or the failure that it means.
type Answer = Result<String, Error>;

struct Probe;

impl Guest for Probe {
    fn handle(request: Request) -> Result<Reply, Error> {
        let told = match &request.event {
            Event::Connect(handshake) => {
                let wanted = handshake.query.iter().find(|(name, _)| name == "do");
                wanted.map_or("echo", |(_, value)| value).to_owned()
            }
            Event::Message(message) => text(&message.data).to_owned(),
            Event::Disconnect(closing) => closing.reason.clone(),
        };
        let (name, told) = told.split_once(' ').unwrap_or((&told, ""));
        macro_rules! call {
            ($($behaviour:ident),* $(,)?) => {
                match name {
                    $(stringify!($behaviour) => $behaviour(&request, told).into_reply(),)*
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
