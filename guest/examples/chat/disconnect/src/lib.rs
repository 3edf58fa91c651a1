//! Tells the rooms who left.
//!
//! Not the lobby: everybody is in it, so each departure would cost a message to every connection.

use chat_model::{Frame, Room, user};
use tidegate_guest::{Connection, Json, Result, connections, messaging, route};

#[route]
fn disconnect(connection: &Connection) -> Result<()> {
    let user = user(connection);
    // The host removes the memberships after this route, so they can still be read.
    let entry = connections::describe(&connection.id)?;
    for group in &entry.groups {
        if let Some(room) = Room::of_group(group) {
            let left = Frame::Left { room: &room, user };
            messaging::broadcast_excluding(group, Json(left), &[&connection.id])?;
        }
    }
    Ok(())
}
