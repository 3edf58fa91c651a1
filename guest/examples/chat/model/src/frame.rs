//! What the server says to clients. Its errors are `{"message": …}`, which the host writes.

use serde::Serialize;

use crate::post::Post;
use crate::room::Room;

/// A frame to a client: a JSON object with a `type`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame<'a> {
    /// The greeting.
    Welcome {
        /// The client's connection.
        connection: &'a str,
        /// Who the client is.
        user: &'a str,
        /// The message of the day.
        #[serde(skip_serializing_if = "Option::is_none")]
        motd: Option<&'a str>,
        /// The rooms that the client is in.
        rooms: &'a [Room],
    },
    /// A message in a room.
    Message {
        /// The room.
        room: &'a Room,
        /// The message.
        #[serde(flatten)]
        post: &'a Post,
    },
    /// Somebody joined a room.
    Joined {
        /// The room.
        room: &'a Room,
        /// Who.
        user: &'a str,
    },
    /// Somebody left a room.
    Left {
        /// The room.
        room: &'a Room,
        /// Who.
        user: &'a str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_flat_object() {
        let post = Post { from: "alice".into(), text: "hi".into(), at: 7 };
        let frame = Frame::Message { room: &Room::lobby(), post: &post };
        let json = serde_json::to_string(&frame).unwrap();
        assert_eq!(json, r#"{"type":"message","room":"lobby","from":"alice","text":"hi","at":7}"#);
    }

    #[test]
    fn a_welcome_without_a_motd_has_none() {
        let frame = Frame::Welcome { connection: "c1", user: "alice", motd: None, rooms: &[Room::lobby()] };
        let json = serde_json::to_string(&frame).unwrap();
        assert_eq!(json, r#"{"type":"welcome","connection":"c1","user":"alice","rooms":["lobby"]}"#);
    }
}
