//! A room, by its name.

use serde::{Deserialize, Serialize};

/// The room that everybody is in from the start.
pub const LOBBY: &str = "lobby";
/// The longest name, in bytes: what a client can show.
pub const MAX_BYTES: usize = 64;
/// What the groups of all rooms but the lobby start with, so that one pattern grants them all.
const GROUP_PREFIX: &str = "room-";

/// A room: 1 to 64 of `a`–`z`, `A`–`Z`, `0`–`9`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Room(String);

/// A name that no room has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a room's name is 1 to {MAX_BYTES} letters, digits, `-` or `_`")]
pub struct NameError;

impl Room {
    /// The lobby.
    #[must_use]
    pub fn lobby() -> Self {
        Self(LOBBY.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it is the lobby.
    #[must_use]
    pub fn is_lobby(&self) -> bool {
        self.0 == LOBBY
    }

    /// The group of its members.
    #[must_use]
    pub fn group(&self) -> String {
        if self.is_lobby() { LOBBY.to_owned() } else { format!("{GROUP_PREFIX}{}", self.0) }
    }

    /// The room whose group that is, the lobby excepted.
    #[must_use]
    pub fn of_group(group: &str) -> Option<Self> {
        Self::try_from(group.strip_prefix(GROUP_PREFIX)?.to_owned()).ok()
    }
}

impl TryFrom<String> for Room {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (1..=MAX_BYTES).contains(&name.len()) && name.bytes().all(allowed);
        if fits { Ok(Self(name)) } else { Err(NameError) }
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
    fn a_room_is_its_group_and_back() {
        let rust = room("rust").unwrap();
        assert_eq!(rust.group(), "room-rust");
        assert_eq!(Room::of_group("room-rust"), Some(rust));
        assert_eq!(Room::lobby().group(), "lobby");
        assert_eq!(Room::of_group("lobby"), None);
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        for name in ["", "a b", "a*", "größe", "a#b", &"a".repeat(MAX_BYTES + 1)] {
            assert_eq!(room(name), Err(NameError), "{name}");
        }
        assert!(room(&"a".repeat(MAX_BYTES)).is_ok());
    }
}
