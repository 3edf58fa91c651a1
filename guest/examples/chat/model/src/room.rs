//! A room and its name.

use serde::{Deserialize, Serialize};

/// The room that each client joins when it connects.
pub const LOBBY: &str = "lobby";
/// The longest name of a room, in bytes.
pub const MAX_BYTES: usize = 64;
/// The prefix of the groups of all rooms except the lobby, so that one pattern grants all of them.
const GROUP_PREFIX: &str = "room-";

/// A room, with a name of 1 to 64 characters of `a`–`z`, `A`–`Z`, `0`–`9`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Room(String);

/// The error for a name that a room cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a room's name is 1 to {MAX_BYTES} letters, digits, `-` or `_`")]
pub struct NameError;

impl Room {
    /// Returns the room [`LOBBY`].
    #[must_use]
    pub fn lobby() -> Self {
        Self(LOBBY.to_owned())
    }

    /// Returns the name of the room.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Returns true if the room is the lobby.
    #[must_use]
    pub fn is_lobby(&self) -> bool {
        self.0 == LOBBY
    }

    /// Returns the name of the group that contains the members of the room.
    #[must_use]
    pub fn group(&self) -> String {
        if self.is_lobby() { LOBBY.to_owned() } else { format!("{GROUP_PREFIX}{}", self.0) }
    }

    /// Returns the room of a group. Returns none for the lobby and for groups of another kind.
    #[must_use]
    pub fn from_group(group: &str) -> Option<Self> {
        Self::try_from(group.strip_prefix(GROUP_PREFIX)?.to_owned()).ok()
    }
}

impl TryFrom<String> for Room {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_valid = (1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(allowed);
        if is_valid { Ok(Self(name)) } else { Err(NameError) }
    }
}

impl From<Room> for String {
    fn from(room: Room) -> Self {
        room.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Result<Room, NameError> {
        Room::try_from(name.to_owned())
    }

    #[test]
    fn room_converts_to_its_group_and_back() {
        let rust = room("rust").unwrap();
        assert_eq!(rust.group(), "room-rust");
        assert_eq!(Room::from_group("room-rust"), Some(rust));
        assert_eq!(Room::lobby().group(), "lobby");
        assert_eq!(Room::from_group("lobby"), None);
    }

    #[test]
    fn names_with_other_characters_or_lengths_are_refused() {
        for name in ["", "a b", "a*", "größe", "a#b", &"a".repeat(MAX_BYTES + 1)] {
            assert_eq!(room(name), Err(NameError), "{name}");
        }
        assert!(room(&"a".repeat(MAX_BYTES)).is_ok());
    }
}
