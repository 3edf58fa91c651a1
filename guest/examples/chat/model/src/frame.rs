//! The frames that the server sends to clients. Errors are not among them: the host sends `{"message": …}`.

use serde::Serialize;

use crate::post::Post;
use crate::room::Room;

/// A frame for a client: a JSON object with a member `type`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Frame<'a> {
    /// The greeting after a connect.
    Welcome {
        /// The id of the client's connection.
        connection: &'a str,
        /// The client's user.
        user: &'a str,
        /// The message of the day, from the configuration value `motd`.
        #[serde(skip_serializing_if = "Option::is_none")]
        motd: Option<&'a str>,
        /// The rooms that the client is in.
        rooms: &'a [Room],
    },
    /// A message in a room.
    Message {
        /// The room of the message.
        room: &'a Room,
        /// The members of the message, in the same object as `room`.
        #[serde(flatten)]
        post: &'a Post,
    },
    /// A user joined a room.
    Joined {
        /// The room with the new member.
        room: &'a Room,
        /// The user who joined.
        user: &'a str,
    },
    /// A user left a room.
    Left {
        /// The room that the user left.
        room: &'a Room,
        /// The user who left.
        user: &'a str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_one_flat_object() {
        let post = Post { from: "alice".into(), text: "hi".into(), at: 7 };
        let frame = Frame::Message { room: &Room::lobby(), post: &post };
        let json = serde_json::to_string(&frame).unwrap();
        assert_eq!(json, r#"{"type":"message","room":"lobby","from":"alice","text":"hi","at":7}"#);
    }

    #[test]
    fn welcome_without_a_motd_omits_the_member() {
        let frame = Frame::Welcome { connection: "c1", user: "alice", motd: None, rooms: &[Room::lobby()] };
        let json = serde_json::to_string(&frame).unwrap();
        assert_eq!(json, r#"{"type":"welcome","connection":"c1","user":"alice","rooms":["lobby"]}"#);
    }
}
