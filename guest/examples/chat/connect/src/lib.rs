//! The route `$connect`. It puts the client into the lobby and sends a greeting.

use chat_model::{Frame, Room, user};
use tidegate_guest::{Connection, Handshake, Json, Reply, Result, config, connections, messaging, route};

/// The sub-protocol that precedes a token. A browser closes the socket unless the server accepts it.
const BEARER: &str = "bearer";

#[route]
fn connect(connection: &Connection, handshake: &Handshake) -> Result<Reply> {
    let id = &connection.id;
    let user = user(connection);
    let lobby = Room::lobby();
    connections::set_attribute(id, "name", user)?;
    connections::join(&lobby.group(), id)?;
    let motd = config::get("motd")?;
    // The host delivers the greeting after the socket opens.
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
    fn only_the_sub_protocol_of_a_token_is_accepted() {
        let accepted = |protocols: &str| {
            let headers = vec![("sec-websocket-protocol".to_owned(), protocols.to_owned())];
            accept(&Handshake { headers, query: Vec::new() }).headers
        };
        assert_eq!(accepted("bearer, a.b.c"), [("sec-websocket-protocol".to_owned(), "bearer".to_owned())]);
        assert_eq!(accepted("chat"), []);
        assert_eq!(accepted(""), []);
    }
}
