//! A message, as it is stored: in the collection of messages, the room as partition.

use serde::{Deserialize, Serialize};
use tidegate_guest::storage::Key;

use crate::room::Room;

/// The collection.
pub const COLLECTION: &str = "messages";

/// A message of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Who said it.
    pub from: String,
    /// What was said.
    pub text: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// Where a message is stored. Its sort key begins with the time, in as many digits as any time has, so that a room reads
/// in the order of time; the id of the client's message makes it unique, and a repeated delivery write the same item.
#[must_use]
pub fn key(room: &Room, at: u64, message_id: &str) -> Key {
    Key::new(room.name(), format!("{at:020}-{message_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_time_whatever_its_digits() {
        let of = |at| key(&Room::lobby(), at, "m").sort;
        assert!(of(9) < of(10) && of(999) < of(1_000) && of(1) < of(u64::MAX));
        assert_eq!(key(&Room::lobby(), 1, "m").partition, "lobby");
    }
}
