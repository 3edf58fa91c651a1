//! Documents in collections.

use std::collections::HashSet;

use async_trait::async_trait;
use tidegate_event::Timestamp;

use crate::Deadline;

/// The maximum length of a partition key or a sort key, in bytes: DynamoDB's limit for sort keys.
pub const MAX_KEY_BYTES: usize = 1_024;
/// The maximum size of a stored document, in bytes of names and values: DynamoDB's limit of 400 KB for items.
pub const MAX_ITEM_BYTES: usize = 400 * 1_024;
/// The maximum length of a version in a condition, in bytes. The host's own versions are shorter.
pub const MAX_VERSION_BYTES: usize = 64;
/// The maximum length of a cursor, in bytes: a sort key with its encoding.
pub const MAX_CURSOR_BYTES: usize = 4_096;
/// The maximum number of keys in one [`Storage::get_many`] call: the limit of BatchGetItem.
pub const MAX_GET_MANY: usize = 100;
/// The maximum number of operations in a transaction: the limit of TransactWriteItems.
pub const MAX_TRANSACT: usize = 100;
/// The maximum number of items in a page of a query.
pub const MAX_QUERY_LIMIT: u32 = 1_000;
/// The maximum length of the JSON text of a document or a value, in bytes. A longer text is rejected as too large,
/// without being parsed.
///
/// JSON can write one byte as six, for example `\u0001`, so every document within [`MAX_ITEM_BYTES`] fits.
pub const MAX_JSON_BYTES: usize = 6 * MAX_ITEM_BYTES;

/// The key of a document in its collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key, with 1 to [`MAX_KEY_BYTES`] bytes.
    pub partition: String,
    /// The sort key, with 1 to [`MAX_KEY_BYTES`] bytes.
    pub sort: String,
}

impl Key {
    /// Checks the length of both parts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a part is empty or longer than [`MAX_KEY_BYTES`].
    pub fn check(&self) -> Result<(), Error> {
        check_partition(&self.partition)?;
        check_part("sort key", &self.sort)
    }
}

/// The version of a document, an opaque token. Every write gives the document a new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// An opaque position in a query. It is valid only for the query that returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key of the document.
    pub key: Key,
    /// The content: the JSON text of an object.
    pub document: String,
    /// The version of the document.
    pub version: Version,
    /// The time from which the item counts as absent, or `None` if the item does not expire.
    pub expires_at: Option<Timestamp>,
}

/// The condition of a write. An expired item counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The item does not exist or has expired.
    Absent,
    /// The item exists and has not expired.
    Present,
    /// The item exists, has not expired, and has this version.
    Version(Version),
}

impl Condition {
    /// Checks the length of a version.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the version is longer than [`MAX_VERSION_BYTES`].
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Version(Version(version)) if version.len() > MAX_VERSION_BYTES => {
                let bytes = version.len();
                let problem = format!("the version has {bytes} bytes, above the limit of {MAX_VERSION_BYTES}");
                Err(Error::Invalid(problem))
            }
            _ => Ok(()),
        }
    }
}

/// The options of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The condition of the write, or `None` to write unconditionally.
    pub condition: Option<Condition>,
    /// The time from which the item counts as absent. In an update, `None` keeps the stored time. In other writes,
    /// `None` stores an item that does not expire.
    pub expires_at: Option<Timestamp>,
}

/// A change in an update.
///
/// A path lists the names of members from the top of the document, and has at least one name. All names except the last
/// must lead to an object. The paths of an update must not overlap. A value is JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a member.
    Set {
        /// The path of the member.
        path: Vec<String>,
        /// Any JSON value.
        value: String,
    },
    /// Adds to a number. A missing member counts as 0.
    Add {
        /// The path of the member.
        path: Vec<String>,
        /// The number to add.
        by: i64,
    },
    /// Appends to a list. A missing member counts as an empty list.
    Append {
        /// The path of the member.
        path: Vec<String>,
        /// A JSON array of the elements to append.
        values: String,
    },
    /// Removes a member if it exists.
    Remove {
        /// The path of the member.
        path: Vec<String>,
    },
}

impl Change {
    /// Returns the path of the member.
    #[must_use]
    pub fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Add { path, .. } | Self::Append { path, .. } | Self::Remove { path } => path,
        }
    }
}

impl Action {
    /// Returns the condition of the operation.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Put(_, options) | Self::Update(_, options) => options.condition.as_ref(),
            Self::Delete(condition) => condition.as_ref(),
            Self::Check(condition) => Some(condition),
        }
    }
}

/// The sort keys that a query reads. Sort keys are compared by their UTF-8 bytes, and bounds are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortRange {
    /// Sort keys with this prefix.
    Prefix(String),
    /// Sort keys greater than or equal to this one.
    AtLeast(String),
    /// Sort keys less than or equal to this one.
    AtMost(String),
    /// Sort keys from the first to the second one.
    Between(String, String),
}

/// The order of sort keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The smallest sort key first.
    Ascending,
    /// The largest sort key first.
    Descending,
}

/// The options of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryOptions {
    /// The sort keys to read, or `None` to read all.
    pub range: Option<SortRange>,
    /// The order of the items.
    pub order: Order,
    /// The maximum number of items in the page, from 1 to [`MAX_QUERY_LIMIT`].
    pub limit: u32,
    /// The position of the page, or `None` for the first page.
    pub cursor: Option<Cursor>,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The items, in the requested order.
    pub items: Vec<Item>,
    /// The position of the next page, or `None` on the last page.
    pub cursor: Option<Cursor>,
}

/// The action of an operation in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a document.
    Put(String, WriteOptions),
    /// Changes a document.
    Update(Vec<Change>, WriteOptions),
    /// Deletes a document.
    Delete(Option<Condition>),
    /// Checks a condition without writing.
    Check(Condition),
}

/// An operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The name of the collection.
    pub collection: String,
    /// The key of the document. The operations of a transaction must apply to distinct documents.
    pub key: Key,
    /// The action on the document.
    pub action: Action,
}

/// The error of a [`Storage`] call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key, document, path, limit or cursor is not allowed. The text names the argument and the cause.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The condition is not met, or a concurrent write won.
    #[error("the condition is not met, or a concurrent write won")]
    Conflict,
    /// The document is larger than [`MAX_ITEM_BYTES`], or the request is larger than the limit of the backend.
    #[error("the document or the request is too large")]
    TooLarge,
    /// The backend throttled the call, and retries until the deadline failed.
    #[error("throttled")]
    Throttled,
    /// The backend failed. A write may have been applied.
    #[error("unavailable; it is unknown whether a write was applied")]
    Unavailable,
}

/// Checks a partition key.
///
/// # Errors
/// [`Error::Invalid`] if the key is empty or longer than [`MAX_KEY_BYTES`].
pub fn check_partition(partition: &str) -> Result<(), Error> {
    check_part("partition", partition)
}

fn check_part(what: &str, text: &str) -> Result<(), Error> {
    match text.len() {
        0 => Err(Error::Invalid(format!("the {what} is empty"))),
        1..=MAX_KEY_BYTES => Ok(()),
        bytes => Err(Error::Invalid(format!("the {what} has {bytes} bytes, above the limit of {MAX_KEY_BYTES}"))),
    }
}

/// Checks the keys of [`Storage::get_many`].
///
/// # Errors
/// [`Error::Invalid`] if there are more than [`MAX_GET_MANY`] keys, or a key is not allowed.
pub fn check_keys(keys: &[Key]) -> Result<(), Error> {
    if keys.len() > MAX_GET_MANY {
        return Err(Error::Invalid(format!("{} keys, above the limit of {MAX_GET_MANY}", keys.len())));
    }
    keys.iter().try_for_each(Key::check)
}

/// Checks the limit of a page.
///
/// # Errors
/// [`Error::Invalid`] if the limit is not between 1 and [`MAX_QUERY_LIMIT`].
pub fn check_query_limit(limit: u32) -> Result<(), Error> {
    match limit {
        1..=MAX_QUERY_LIMIT => Ok(()),
        _ => Err(Error::Invalid(format!("the limit {limit} is not from 1 to {MAX_QUERY_LIMIT}"))),
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

/// Checks the operations of a transaction.
///
/// # Errors
/// [`Error::Invalid`] if there are no operations, more than [`MAX_TRANSACT`], or two on the same document, or if a key
/// or a version is not allowed.
pub fn check_operations(operations: &[Operation]) -> Result<(), Error> {
    if operations.is_empty() || operations.len() > MAX_TRANSACT {
        return Err(Error::Invalid(format!("{} operations; a transaction has 1 to {MAX_TRANSACT}", operations.len())));
    }
    let mut seen = HashSet::with_capacity(operations.len());
    for operation in operations {
        operation.key.check()?;
        operation.action.condition().map_or(Ok(()), Condition::check)?;
        if !seen.insert((&operation.collection, &operation.key)) {
            return Err(Error::Invalid("two operations have the same document".to_owned()));
        }
    }
    Ok(())
}

/// Documents in collections, stored in DynamoDB.
///
/// ```
/// use tidegate_ports::{Deadline, Storage, storage::{Change, Error, Key, WriteOptions}};
///
/// async fn count_visit(port: &dyn Storage, user: &str, deadline: Deadline) -> Result<String, Error> {
///     let key = Key { partition: user.to_owned(), sort: "visits".to_owned() };
///     let changes = [Change::Add { path: vec!["count".to_owned()], by: 1 }];
///     let item = port.update("users", &key, &changes, &WriteOptions::default(), deadline).await?;
///     Ok(item.document)
/// }
/// ```
#[async_trait]
pub trait Storage: Send + Sync {
    /// Reads a document with strong consistency. Returns `None` if the document does not exist or has expired.
    async fn get(&self, collection: &str, key: &Key, deadline: Deadline) -> Result<Option<Item>, Error>;

    /// Reads at most [`MAX_GET_MANY`] documents. The results are in the order of the keys, which may repeat.
    async fn get_many(&self, collection: &str, keys: &[Key], deadline: Deadline) -> Result<Vec<Option<Item>>, Error>;

    /// Writes a whole document. Returns the new version.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the condition is not met, and [`Error::TooLarge`] if the document exceeds
    /// [`MAX_ITEM_BYTES`].
    async fn put(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Version, Error>;

    /// Applies all changes or none, and returns the new document. Creates the document if it does not exist and the
    /// condition allows its creation.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the condition is not met, and [`Error::TooLarge`] if the document exceeds
    /// [`MAX_ITEM_BYTES`].
    async fn update(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error>;

    /// Deletes a document. Without a condition, deleting a missing document does nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the condition is not met.
    async fn delete(
        &self,
        collection: &str,
        key: &Key,
        condition: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Error>;

    /// Reads a page of a partition with strong consistency.
    async fn query(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        deadline: Deadline,
    ) -> Result<Page, Error>;

    /// Applies 1 to [`MAX_TRANSACT`] operations on distinct documents. Either all of them are applied or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] if a condition is not met.
    async fn transact(&self, operations: &[Operation], deadline: Deadline) -> Result<(), Error>;
}
