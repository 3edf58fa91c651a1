//! Joins and leaves rooms: one component, two routes.

use chat_model::{Frame, Room, user};
use serde::Deserialize;
use tidegate_guest::{Connection, Error, IntoPayload, Json, Payload, Request, Result, connections, messaging, route};

#[derive(Deserialize)]
struct Target {
    room: Room,
}

#[route]
fn rooms(request: &Request, Json(Target { room }): Json<Target>) -> Result<Payload> {
    match request.route_key.as_str() {
        "join" => join(&request.connection, &room),
        "leave" => leave(&request.connection, &room),
        other => Err(Error::internal(format!("this component serves the routes `join` and `leave`, not `{other}`"))),
    }
}

fn join(connection: &Connection, room: &Room) -> Result<Payload> {
    connections::join(&room.group(), &connection.id)?;
    announce(connection, room, Frame::Joined { room, user: user(connection) })
}

fn leave(connection: &Connection, room: &Room) -> Result<Payload> {
    connections::leave(&room.group(), &connection.id)?;
    announce(connection, room, Frame::Left { room, user: user(connection) })
}

/// Tells the others in the room, and answers the client with the same. In the lobby only the client hears it: everybody
/// is in the lobby, so each announcement there would cost a message to every connection.
fn announce(connection: &Connection, room: &Room, frame: Frame<'_>) -> Result<Payload> {
    let payload = Json(frame).into_payload()?;
    if !room.is_lobby() {
        messaging::broadcast_excluding(&room.group(), &payload, &[&connection.id])?;
    }
    Ok(payload)
}
