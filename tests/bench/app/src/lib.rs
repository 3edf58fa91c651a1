//! A route that joins a group on connect, and sends each message to the whole group, its sender included.

use tidegate_guest::{Event, Request, Result, connections, messaging, route};

const GROUP: &str = "bench";

#[route]
fn broadcast(request: &Request) -> Result<()> {
    match &request.event {
        Event::Connect(_) => connections::join(GROUP, &request.connection.id)?,
        Event::Message(message) => {
            messaging::broadcast(GROUP, &message.data)?;
        }
        Event::Disconnect(_) => {}
    }
    Ok(())
}
