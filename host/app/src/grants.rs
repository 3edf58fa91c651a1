//! The operations that a route may call. Everything that is not granted is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The operations that a route may call. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Grants {
    /// The access to each collection, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, Access>,
    /// The operations of the interface `connections`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionsGrant>,
    /// The operations of the interface `messaging`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging: Option<MessagingGrant>,
    /// The names of the configuration values that the route may read.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub config: BTreeSet<String>,
}

/// The operations on a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `get`, `get-many`, `query`, and `check` in a transaction.
    Read,
    /// `put` and `delete`.
    Write,
    /// Every operation of `read` and `write`, and `update`.
    ReadWrite,
}

impl Access {
    /// Returns true if the access includes reading.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Returns true if the access includes writing.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// The connections that a call may address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Only the event's own connection.
    #[serde(rename = "self")]
    Own,
    /// Any connection.
    Any,
}

/// The granted operations of the interface `connections`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ConnectionsGrant {
    /// `describe`, of any connection.
    pub describe: bool,
    /// `list-connections`, which reads the whole registry.
    pub list: bool,
    /// `set-attributes`, of the event's own connection or of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Scope>,
    /// `join`, `leave`, `members` and `count`, of the groups that match one of these patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupPattern>,
}

/// The granted operations of the interface `messaging`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct MessagingGrant {
    /// `send` and `send-many`, to the event's own connection or to any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Scope>,
    /// `broadcast`, to the groups that match one of these patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broadcast: Vec<GroupPattern>,
    /// `describe`, of the event's own connection or of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub describe: Option<Scope>,
    /// `close`, of the event's own connection or of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Scope>,
}

/// The name of a group, or the beginning of one followed by `*`, which matches every ending.
///
/// ```
/// use tidegate_app::grants::GroupPattern;
///
/// let rooms = GroupPattern::try_from("room-*".to_owned())?;
/// assert!(rooms.matches("room-7"));
/// assert!(!rooms.matches("lobby"));
/// # Ok::<(), tidegate_app::grants::GroupPatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupPattern(String);

/// A group pattern that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid group pattern `{0}`: expected a name of 1 to 256 bytes, or the beginning of one followed by `*`")]
pub struct GroupPatternError(String);

impl GroupPattern {
    /// Returns true if the pattern matches the name `group`.
    #[must_use]
    pub fn matches(&self, group: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => group.starts_with(start),
            None => group == self.0,
        }
    }
}

impl TryFrom<String> for GroupPattern {
    type Error = GroupPatternError;
    fn try_from(text: String) -> Result<Self, GroupPatternError> {
        let name = text.strip_suffix('*').unwrap_or(&text);
        if text.is_empty() || text.len() > tidegate_ports::registry::MAX_GROUP_BYTES || name.contains('*') {
            return Err(GroupPatternError(text));
        }
        Ok(Self(text))
    }
}

impl From<GroupPattern> for String {
    fn from(pattern: GroupPattern) -> Self {
        pattern.0
    }
}
