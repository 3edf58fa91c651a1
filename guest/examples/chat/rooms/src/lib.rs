//! The routes `join` and `leave`. They share one component, which reads the route key.

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

/// Sends a frame to the other members of the room, and returns the same frame for the client.
///
/// The lobby is an exception: all clients are in it, so an announcement would cost a message to each connection.
fn announce(connection: &Connection, room: &Room, frame: Frame<'_>) -> Result<Payload> {
    let payload = Json(frame).into_payload()?;
    if !room.is_lobby() {
        messaging::broadcast_excluding(&room.group(), &payload, &[&connection.id])?;
    }
    Ok(payload)
}
