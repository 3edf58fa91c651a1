//! The neighbour of the attacks: an echo, and a round trip to storage. The probe calls both beside each attack.

use exports::tidegate::route::handler::Guest;
use tidegate::route::storage::{self, Key, WriteOptions};
use tidegate::route::types::{Error, Event, Payload, Reply, Request};

wit_bindgen::generate!({ path: "../../../wit", world: "tidegate:route/route", generate_all });

struct Neighbour;

impl Guest for Neighbour {
    fn handle(request: Request) -> Result<Reply, Error> {
        let Event::Message(message) = request.event else {
            return Ok(Reply { status: 200, headers: Vec::new(), body: None });
        };
        if request.route_key == "store" {
            keep(&message.data)?;
        }
        Ok(Reply { status: 200, headers: Vec::new(), body: Some(message.data) })
    }
}

export!(Neighbour);

/// Stores the message, and reads it back.
fn keep(data: &Payload) -> Result<(), Error> {
    let Payload::Text(document) = data else {
        return Err(Error { status: 400, message: "a document is text".to_owned() });
    };
    let failed = |error: storage::Error| Error { status: 500, message: format!("storage failed: {error:?}") };
    let documents = storage::open("neighbour").map_err(failed)?;
    // Each message has a document of its own, because messages of one connection may overlap.
    let key = Key { partition: "probe".to_owned(), sort: document.clone() };
    let version = documents.put(&key, document, &WriteOptions { condition: None, expires_at: None }).map_err(failed)?;
    match documents.get(&key).map_err(failed)? {
        Some(item) if item.version == version => Ok(()),
        other => Err(Error { status: 500, message: format!("read another document: {other:?}") }),
    }
}
