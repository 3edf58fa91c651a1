//! Documents in collections.

use std::collections::HashSet;

use async_trait::async_trait;
use tidegate_event::Timestamp;

use crate::Deadline;

/// The longest partition or sort key, in bytes: DynamoDB's sort key limit.
pub const MAX_KEY_BYTES: usize = 1_024;
/// The largest document as stored, names and values: DynamoDB's item limit of 400 KB.
pub const MAX_ITEM_BYTES: usize = 400 * 1_024;
/// The most keys of one `get_many`: one BatchGetItem.
pub const MAX_GET_MANY: usize = 100;
/// The most operations of one `transact`: one TransactWriteItems.
pub const MAX_TRANSACT: usize = 100;
/// The most items of one page of `query`.
pub const MAX_QUERY_LIMIT: u32 = 1_000;
/// The longest JSON text of a document or a value, in bytes; a longer one is too large, and is not read to find out. JSON
/// writes one byte as six at most, `\u0001`, so that every document that fits may be written so.
pub const MAX_JSON_BYTES: usize = 6 * MAX_ITEM_BYTES;

/// Where a document lies within its collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// 1 to [`MAX_KEY_BYTES`] bytes.
    pub partition: String,
    /// 1 to [`MAX_KEY_BYTES`] bytes.
    pub sort: String,
}

impl Key {
    /// Refuses a key of which a part is empty or longer than [`MAX_KEY_BYTES`].
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(&self) -> Result<(), Error> {
        check_partition(&self.partition)?;
        check_part("sort key", &self.sort)
    }
}

/// An opaque token that never recurs for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// An opaque position in a query; valid only for what returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A stored document. `document` is a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// The JSON text of an object.
    pub document: String,
    /// Its version.
    pub version: Version,
    /// When it becomes absent.
    pub expires_at: Option<Timestamp>,
}

/// What must hold for a write. An expired item is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No such item, or it has expired.
    Absent,
    /// The item exists and has not expired.
    Present,
    /// The item exists at this version.
    Version(Version),
}

/// How a document is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// What must hold.
    pub condition: Option<Condition>,
    /// When the item becomes absent; none keeps it. On an update, none leaves what is there.
    pub expires_at: Option<Timestamp>,
}

/// One change of an update; a path is member names from the top, at least one; a value is JSON text. A path whose names
/// but the last do not lead to an object is invalid, and so are paths that overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets the member.
    Set {
        /// Where.
        path: Vec<String>,
        /// Any JSON.
        value: String,
    },
    /// Adds to a number; a missing one counts as 0.
    Add {
        /// Where.
        path: Vec<String>,
        /// How much.
        by: i64,
    },
    /// Appends to a list; a missing one counts as empty.
    Append {
        /// Where.
        path: Vec<String>,
        /// A JSON array.
        values: String,
    },
    /// Removes the member, if it is there.
    Remove {
        /// Where.
        path: Vec<String>,
    },
}

/// Which sort keys a query reads, compared by UTF-8 bytes; bounds are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortRange {
    /// Those that start with.
    Prefix(String),
    /// Those not below.
    AtLeast(String),
    /// Those not above.
    AtMost(String),
    /// Those not below the first and not above the second.
    Between(String, String),
}

/// The order of sort keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// How a partition is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryOptions {
    /// Which sort keys; all when none.
    pub range: Option<SortRange>,
    /// In which order.
    pub order: Order,
    /// 1 to [`MAX_QUERY_LIMIT`].
    pub limit: u32,
    /// Where the last page ended.
    pub cursor: Option<Cursor>,
}

/// A page of items; `cursor` is none on the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order asked for.
    pub items: Vec<Item>,
    /// Where the next page begins.
    pub cursor: Option<Cursor>,
}

/// What one operation of a transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a document.
    Put(String, WriteOptions),
    /// Changes a document.
    Update(Vec<Change>, WriteOptions),
    /// Deletes a document.
    Delete(Option<Condition>),
    /// Only checks a condition.
    Check(Condition),
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The collection.
    pub collection: String,
    /// The key; no two operations of a transaction share collection and key.
    pub key: Key,
    /// What to do.
    pub action: Action,
}

/// Why a storage call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key, document, path, limit or cursor that is not allowed; which, and why.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The condition did not hold, or another write won.
    #[error("the condition did not hold, or another write won")]
    Conflict,
    /// A document above its limit as stored, or a request above its.
    #[error("the document or the request is too large")]
    TooLarge,
    /// Throttled, after the retries that the deadline allowed.
    #[error("throttled")]
    Throttled,
    /// It is unknown whether a write was applied.
    #[error("unavailable; it is unknown whether a write was applied")]
    Unavailable,
}

/// Refuses a partition that is empty or longer than [`MAX_KEY_BYTES`].
///
/// # Errors
/// [`Error::Invalid`].
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

/// Refuses more than [`MAX_GET_MANY`] keys, or one that is not allowed.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_keys(keys: &[Key]) -> Result<(), Error> {
    if keys.len() > MAX_GET_MANY {
        return Err(Error::Invalid(format!("{} keys, above the limit of {MAX_GET_MANY}", keys.len())));
    }
    keys.iter().try_for_each(Key::check)
}

/// Refuses the limit of a page that is not from 1 to [`MAX_QUERY_LIMIT`].
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_query_limit(limit: u32) -> Result<(), Error> {
    match limit {
        1..=MAX_QUERY_LIMIT => Ok(()),
        _ => Err(Error::Invalid(format!("the limit {limit} is not from 1 to {MAX_QUERY_LIMIT}"))),
    }
}

/// Refuses a transaction without operations, with more than [`MAX_TRANSACT`], or with two about the same document.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_operations(operations: &[Operation]) -> Result<(), Error> {
    if operations.is_empty() || operations.len() > MAX_TRANSACT {
        return Err(Error::Invalid(format!("{} operations; a transaction has 1 to {MAX_TRANSACT}", operations.len())));
    }
    let mut seen = HashSet::with_capacity(operations.len());
    for operation in operations {
        operation.key.check()?;
        if !seen.insert((&operation.collection, &operation.key)) {
            return Err(Error::Invalid("two operations are about the same document".to_owned()));
        }
    }
    Ok(())
}

/// Documents in collections, on DynamoDB.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Reads a document, strongly consistent.
    async fn get(&self, collection: &str, key: &Key, deadline: Deadline) -> Result<Option<Item>, Error>;

    /// Reads at most [`MAX_GET_MANY`] documents; results in the order of the keys, which may repeat.
    async fn get_many(&self, collection: &str, keys: &[Key], deadline: Deadline) -> Result<Vec<Option<Item>>, Error>;

    /// Writes a whole document.
    async fn put(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Version, Error>;

    /// Applies all changes or none, creating the document when it is absent and no condition forbids it, and answers
    /// with the document as it is now.
    async fn update(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        deadline: Deadline,
    ) -> Result<Item, Error>;

    /// Deletes a document; without a condition it need not exist.
    async fn delete(
        &self,
        collection: &str,
        key: &Key,
        condition: Option<&Condition>,
        deadline: Deadline,
    ) -> Result<(), Error>;

    /// Reads a page of a partition, strongly consistent.
    async fn query(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        deadline: Deadline,
    ) -> Result<Page, Error>;

    /// Applies 1 to [`MAX_TRANSACT`] operations on distinct keys: all, or `Conflict` and none.
    async fn transact(&self, operations: &[Operation], deadline: Deadline) -> Result<(), Error>;
}
