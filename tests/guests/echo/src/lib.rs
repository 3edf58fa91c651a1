//! A route that returns the message. It imports nothing, so a benchmark of it measures only the sandbox.

use exports::tidegate::route::handler::Guest;
use tidegate::route::types::{Error, Event, Reply, Request};

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/route", generate_all });

struct Echo;

impl Guest for Echo {
    fn handle(request: Request) -> Result<Reply, Error> {
        let body = match request.event {
            Event::Message(message) => Some(message.data),
            Event::Connect(_) | Event::Disconnect(_) => None,
        };
        Ok(Reply { status: 200, headers: Vec::new(), body })
    }
}

export!(Echo);
