//! Open connections, their attributes and groups.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{Connection, ConnectionId, Fields, Timestamp};

use crate::Deadline;

/// The most groups of one connection: what a disconnect clears in two BatchWriteItem calls.
pub const MAX_GROUPS: usize = 50;
/// The longest group name in bytes; with a shard and an id it stays far below DynamoDB's key limit.
pub const MAX_GROUP_BYTES: usize = 256;
/// The most attributes of one connection.
pub const MAX_ATTRIBUTES: usize = 32;
/// The most bytes of all names and values of a connection's attributes.
pub const MAX_ATTRIBUTE_BYTES: usize = 4_096;
/// The most entries of one page.
pub const MAX_PAGE_LIMIT: u32 = 1_000;
/// How long a row lives: API Gateway's two hours and a margin.
pub const ROW_LIFETIME: Duration = Duration::from_secs(2 * 3_600 + 600);
/// How old a row is at least when a gone connection is reaped: a post before the upgrade completes is also 410.
pub const REAP_AGE: Duration = Duration::from_secs(60);

/// An opaque position in a listing; valid only for the call, and the group, that returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A connection as the registry holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The connection.
    pub connection: Connection,
    /// Its attributes, sorted by name.
    pub attributes: Fields,
    /// Its groups, sorted.
    pub groups: Vec<String>,
}

/// A page of connections; `cursor` is none on the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPage {
    /// In no promised order.
    pub connections: Vec<Connection>,
    /// Where the next page begins.
    pub cursor: Option<Cursor>,
}

/// A page of a group's members; `cursor` is none on the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPage {
    /// In no promised order.
    pub members: Vec<ConnectionId>,
    /// Where the next page begins.
    pub cursor: Option<Cursor>,
}

/// Why a registry call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that is not allowed; which, and why.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The connection is not registered.
    #[error("the connection is not registered")]
    NotFound,
    /// Throttled, after the retries that the deadline allowed.
    #[error("throttled")]
    Throttled,
    /// It is unknown whether a change was applied.
    #[error("unavailable; it is unknown whether a change was applied")]
    Unavailable,
}

/// The registry of open connections and their groups.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Adds a connection, without attributes or groups; it lives [`ROW_LIFETIME`] at most.
    async fn register(&self, connection: &Connection, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection with its memberships; one that is not registered is not an error.
    async fn unregister(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection that messaging found gone, with its memberships, if it was connected [`REAP_AGE`] ago or
    /// earlier; says whether it did.
    async fn reap(&self, id: &ConnectionId, deadline: Deadline) -> Result<bool, Error>;

    /// Reads a connection, strongly consistent.
    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Entry, Error>;

    /// Sets attributes, or removes those with none: at most [`MAX_ATTRIBUTES`], [`MAX_ATTRIBUTE_BYTES`] in all.
    async fn set_attributes(
        &self,
        id: &ConnectionId,
        changes: &[(String, Option<String>)],
        deadline: Deadline,
    ) -> Result<(), Error>;

    /// Reads a page of all connections; `limit` is 1 to [`MAX_PAGE_LIMIT`].
    async fn list(&self, limit: u32, cursor: Option<&Cursor>, deadline: Deadline) -> Result<ConnectionPage, Error>;

    /// Adds a connection to a group; idempotent.
    async fn join(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection from a group; idempotent.
    async fn leave(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Reads a page of a group's members; `limit` is 1 to [`MAX_PAGE_LIMIT`].
    async fn members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<MemberPage, Error>;

    /// Counts a group's members, approximately; costs as much as reading them.
    async fn count(&self, group: &str, deadline: Deadline) -> Result<u64, Error>;
}

/// Refuses a group's name that is empty or longer than [`MAX_GROUP_BYTES`].
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_group(group: &str) -> Result<(), Error> {
    match group.len() {
        0 => Err(Error::Invalid("the group's name is empty".to_owned())),
        1..=MAX_GROUP_BYTES => Ok(()),
        bytes => {
            Err(Error::Invalid(format!("the group's name has {bytes} bytes, above the limit of {MAX_GROUP_BYTES}")))
        }
    }
}

/// Refuses the limit of a page that is not from 1 to [`MAX_PAGE_LIMIT`].
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_page_limit(limit: u32) -> Result<(), Error> {
    match limit {
        1..=MAX_PAGE_LIMIT => Ok(()),
        _ => Err(Error::Invalid(format!("the limit {limit} is not from 1 to {MAX_PAGE_LIMIT}"))),
    }
}

/// The time at which a row of a connection registered now expires.
#[must_use]
pub fn expiry(now: Timestamp) -> Timestamp {
    now.saturating_add(ROW_LIFETIME)
}
