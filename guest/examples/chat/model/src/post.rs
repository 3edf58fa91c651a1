//! A message as it is stored: a document in the collection `messages`, with the room as its partition.

use serde::{Deserialize, Serialize};
use tidegate_guest::storage::Key;

use crate::room::Room;

/// The name of the collection that contains all messages.
pub const COLLECTION: &str = "messages";

/// A message in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The user who sent the message.
    pub from: String,
    /// The text of the message, at most 4,096 bytes.
    pub text: String,
    /// The time at which API Gateway received the message, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// Returns the key of a message.
///
/// The sort key begins with the time, padded with zeros to 20 digits, so that the messages of a room sort by time. The
/// id of the client's message makes the key unique. A repeated delivery of one event writes the same document.
#[must_use]
pub fn key(room: &Room, at: u64, message_id: &str) -> Key {
    Key::new(room.name(), format!("{at:020}-{message_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_time_for_any_number_of_digits() {
        let sort_key = |at| key(&Room::lobby(), at, "m").sort;
        assert!(sort_key(9) < sort_key(10));
        assert!(sort_key(999) < sort_key(1_000));
        assert!(sort_key(1) < sort_key(u64::MAX));
        assert_eq!(key(&Room::lobby(), 1, "m").partition, "lobby");
    }
}
