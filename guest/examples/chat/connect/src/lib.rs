//! Greets a client in the lobby.

use chat_model::{Frame, Room, user};
use tidegate_guest::{Connection, Handshake, Json, Reply, Result, config, connections, messaging, route};

/// The sub-protocol that carries a token; a browser wants to hear that it was accepted.
const BEARER: &str = "bearer";

#[route]
fn connect(connection: &Connection, handshake: &Handshake) -> Result<Reply> {
    let (id, user, lobby) = (&connection.id, user(connection), Room::lobby());
    connections::set_attribute(id, "name", user)?;
    connections::join(&lobby.group(), id)?;
    let motd = config::get("motd")?;
    // The host delivers this once the socket is open.
    messaging::send(id, Json(Frame::Welcome { connection: id, user, motd: motd.as_deref(), rooms: &[lobby] }))?;
    Ok(accept(handshake))
}

fn accept(handshake: &Handshake) -> Reply {
    match handshake.protocols().next() {
        Some(BEARER) => Reply::default().header("sec-websocket-protocol", BEARER),
        _ => Reply::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sub_protocol_that_carries_a_token_is_accepted() {
        let with = |protocols: &str| {
            let headers = vec![("sec-websocket-protocol".to_owned(), protocols.to_owned())];
            accept(&Handshake { headers, query: Vec::new() }).headers
        };
        assert_eq!(with("bearer, a.b.c"), [("sec-websocket-protocol".to_owned(), "bearer".to_owned())]);
        assert_eq!(with("chat"), []);
        assert_eq!(with(""), []);
    }
}
