//! What a route was granted. Nothing is granted that is not named.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What a route was granted; the default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Grants {
    /// Collections by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, Access>,
    /// The registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<ConnectionsGrant>,
    /// Messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messaging: Option<MessagingGrant>,
    /// Configuration names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub config: BTreeSet<String>,
}

/// How a collection may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `get`, `get-many`, `query`, `check`.
    Read,
    /// `put`, `delete`.
    Write,
    /// All, `update` included.
    ReadWrite,
}

impl Access {
    /// Whether reading is granted.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether writing is granted.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// Whose connection a call may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The connection of the event.
    #[serde(rename = "self")]
    Own,
    /// Any connection.
    Any,
}

/// What of the registry was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ConnectionsGrant {
    /// `describe` of any connection.
    pub describe: bool,
    /// `list-connections`.
    pub list: bool,
    /// `set-attributes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Scope>,
    /// `join`, `leave`, `members` and `count` of the groups that match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupPattern>,
}

/// What of messaging was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct MessagingGrant {
    /// `send` and `send-many`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Scope>,
    /// `broadcast` to the groups that match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broadcast: Vec<GroupPattern>,
    /// `describe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub describe: Option<Scope>,
    /// `close`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Scope>,
}

/// A group name, or the start of one followed by a `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupPattern(String);

/// A group pattern that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no group pattern: a name of 1 to 256 bytes, or the start of one and a final `*`")]
pub struct GroupPatternError(String);

impl GroupPattern {
    /// Whether `group` is covered.
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
