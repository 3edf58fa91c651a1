//! The registry of open connections, their attributes and groups.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{Connection, ConnectionId, Fields, Timestamp};

use crate::Deadline;

/// The maximum number of groups per connection. A disconnect removes this many with two BatchWriteItem calls.
pub const MAX_GROUPS: usize = 50;
/// The maximum length of a group's name, in bytes. A key with the name, a shard and an id stays below DynamoDB's limit.
pub const MAX_GROUP_BYTES: usize = 256;
/// The maximum number of attributes of a connection.
pub const MAX_ATTRIBUTES: usize = 32;
/// The maximum total size of the names and values of a connection's attributes, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 4_096;
/// The maximum number of changes in one [`Registry::set_attributes`] call.
pub const MAX_ATTRIBUTE_CHANGES: usize = 256;
/// The maximum length of a cursor, in bytes: a shard and a connection id with their encoding.
pub const MAX_CURSOR_BYTES: usize = 1_024;
/// The maximum number of entries in a page.
pub const MAX_PAGE_LIMIT: u32 = 1_000;
/// The lifetime of a row: API Gateway's connection limit of two hours, plus a margin.
pub const ROW_LIFETIME: Duration = Duration::from_secs(2 * 3_600 + 600);
/// The minimum age of a row that [`Registry::reap`] removes. API Gateway also responds with 410 to a message that is
/// sent before the handshake completes.
pub const REAP_AGE: Duration = Duration::from_secs(60);

/// An opaque position in a listing. It is valid only for the method and the group that returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A registered connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The connection, as it was registered.
    pub connection: Connection,
    /// The attributes, sorted by name.
    pub attributes: Fields,
    /// The names of the groups, sorted.
    pub groups: Vec<String>,
}

/// A page of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPage {
    /// The connections, in an unspecified order.
    pub connections: Vec<Connection>,
    /// The position of the next page, or `None` on the last page.
    pub cursor: Option<Cursor>,
}

/// A page of a group's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPage {
    /// The members, in an unspecified order.
    pub members: Vec<ConnectionId>,
    /// The position of the next page, or `None` on the last page.
    pub cursor: Option<Cursor>,
}

/// The error of a [`Registry`] call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is not allowed. The text names the argument and the cause.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The connection is not registered.
    #[error("the connection is not registered")]
    NotFound,
    /// The backend throttled the call, and retries until the deadline failed.
    #[error("throttled")]
    Throttled,
    /// The backend failed. A change may have been applied.
    #[error("unavailable; it is unknown whether a change was applied")]
    Unavailable,
}

/// The registry of open connections and their groups.
///
/// ```
/// use tidegate_event::ConnectionId;
/// use tidegate_ports::{Deadline, Registry, registry::{Error, MAX_PAGE_LIMIT}};
///
/// async fn members(port: &dyn Registry, group: &str, deadline: Deadline) -> Result<Vec<ConnectionId>, Error> {
///     let mut members = Vec::new();
///     let mut cursor = None;
///     loop {
///         let page = port.members(group, MAX_PAGE_LIMIT, cursor.as_ref(), deadline).await?;
///         members.extend(page.members);
///         cursor = page.cursor;
///         if cursor.is_none() {
///             return Ok(members);
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Registry: Send + Sync {
    /// Adds a connection without attributes or groups. The registry forgets the connection after [`ROW_LIFETIME`].
    async fn register(&self, connection: &Connection, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection and its memberships. Does nothing if the connection is not registered.
    async fn unregister(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection that messaging reported as gone, and its memberships. The connection must have been opened
    /// at least [`REAP_AGE`] ago. Returns true if the connection was removed.
    async fn reap(&self, id: &ConnectionId, deadline: Deadline) -> Result<bool, Error>;

    /// Reads a connection with strong consistency.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the connection is not registered.
    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Entry, Error>;

    /// Sets attributes. Removes attributes whose value is `None`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the connection is not registered, and [`Error::Invalid`] if its attributes would exceed
    /// [`MAX_ATTRIBUTES`] or [`MAX_ATTRIBUTE_BYTES`].
    async fn set_attributes(
        &self,
        id: &ConnectionId,
        changes: &[(String, Option<String>)],
        deadline: Deadline,
    ) -> Result<(), Error>;

    /// Reads a page of all connections. `limit` is between 1 and [`MAX_PAGE_LIMIT`].
    async fn list(&self, limit: u32, cursor: Option<&Cursor>, deadline: Deadline) -> Result<ConnectionPage, Error>;

    /// Adds a connection to a group. Does nothing if the connection is already a member.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the connection is not registered, and [`Error::Invalid`] if it already has [`MAX_GROUPS`]
    /// groups.
    async fn join(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Removes a connection from a group. Does nothing if the connection is not a member.
    async fn leave(&self, group: &str, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;

    /// Reads a page of a group's members. `limit` is between 1 and [`MAX_PAGE_LIMIT`]. An unknown group is empty.
    async fn members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<MemberPage, Error>;

    /// Returns the approximate number of a group's members. The call costs as much as reading all members.
    async fn count(&self, group: &str, deadline: Deadline) -> Result<u64, Error>;
}

/// Checks the number of changes to attributes.
///
/// # Errors
/// [`Error::Invalid`] if there are more than [`MAX_ATTRIBUTE_CHANGES`].
pub fn check_attribute_changes(changes: &[(String, Option<String>)]) -> Result<(), Error> {
    match changes.len() {
        0..=MAX_ATTRIBUTE_CHANGES => Ok(()),
        count => Err(Error::Invalid(format!("{count} changes, above the limit of {MAX_ATTRIBUTE_CHANGES}"))),
    }
}

/// Checks the length of a cursor.
///
/// # Errors
/// [`Error::Invalid`] if the cursor is longer than [`MAX_CURSOR_BYTES`].
pub fn check_cursor(cursor: Option<&Cursor>) -> Result<(), Error> {
    match cursor.map_or(0, |cursor| cursor.0.len()) {
        0..=MAX_CURSOR_BYTES => Ok(()),
        bytes => Err(Error::Invalid(format!("the cursor has {bytes} bytes, above the limit of {MAX_CURSOR_BYTES}"))),
    }
}

/// Checks the name of a group.
///
/// # Errors
/// [`Error::Invalid`] if the name is empty or longer than [`MAX_GROUP_BYTES`].
pub fn check_group(group: &str) -> Result<(), Error> {
    match group.len() {
        0 => Err(Error::Invalid("the group's name is empty".to_owned())),
        1..=MAX_GROUP_BYTES => Ok(()),
        bytes => {
            Err(Error::Invalid(format!("the group's name has {bytes} bytes, above the limit of {MAX_GROUP_BYTES}")))
        }
    }
}

/// Checks the limit of a page.
///
/// # Errors
/// [`Error::Invalid`] if the limit is not between 1 and [`MAX_PAGE_LIMIT`].
pub fn check_page_limit(limit: u32) -> Result<(), Error> {
    match limit {
        1..=MAX_PAGE_LIMIT => Ok(()),
        _ => Err(Error::Invalid(format!("the limit {limit} is not from 1 to {MAX_PAGE_LIMIT}"))),
    }
}

/// Returns the expiry of the row of a connection that is registered at `now`.
#[must_use]
pub fn expiry(now: Timestamp) -> Timestamp {
    now.saturating_add(ROW_LIFETIME)
}
