//! The route `$disconnect`. It announces to each room that the user has left.
//!
//! The lobby is an exception: all clients are in it, so an announcement would cost a message to each connection.

use chat_model::{Frame, Room, user};
use tidegate_guest::{Connection, Json, Result, connections, messaging, route};

#[route]
fn disconnect(connection: &Connection) -> Result<()> {
    let user = user(connection);
    // The host removes the memberships after this route, so the entry still has them.
    let entry = connections::describe(&connection.id)?;
    for group in &entry.groups {
        if let Some(room) = Room::from_group(group) {
            let left = Frame::Left { room: &room, user };
            messaging::broadcast_excluding(group, Json(left), &[&connection.id])?;
        }
    }
    Ok(())
}
