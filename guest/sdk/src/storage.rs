//! JSON documents in collections.
//!
//! A document is a value that serde writes as a JSON object, at most 400 KB as stored. Its key has two parts: the
//! partition, and the sort key within it. [`Collection::query`] reads a partition in the order of its sort keys.
//!
//! ```no_run
//! # use serde::{Deserialize, Serialize};
//! use tidegate_guest::storage::{Change, Collection, Condition, Key};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Room { topic: String, messages: u64 }
//!
//! # fn main() -> Result<(), tidegate_guest::Error> {
//! let rooms = Collection::open("rooms")?;
//! let key = Key::new("lobby", "room");
//!
//! // Creates the room. Fails with `Error::Conflict` (409) if the room exists.
//! rooms.put_with(&key, &Room { topic: "anything".into(), messages: 0 }, Condition::Absent)?;
//!
//! // Increments the counter atomically.
//! let room = rooms.update::<Room>(&key, [Change::add("messages", 1)])?;
//!
//! // Writes only if the document has not changed since it was read.
//! let changed = Room { topic: "tides".into(), ..room.document };
//! rooms.put_with(&key, &changed, Condition::Version(room.version))?;
//!
//! // Reads the last 20 documents of a partition, page by page.
//! for item in rooms.query("lobby").descending().limit(20).items::<Room>() {
//!     let room = item?.document;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`change`]: the changes of an update
//! - [`query`]: reads of a partition
//! - [`transaction`]: several writes, of which all or none are applied

pub mod change;
mod collection;
mod error;
mod options;
pub mod query;
pub mod transaction;
mod writes;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One change of an update. Its functions are in [`change`].
///
/// ```
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::storage::Change;
///
/// let changes = [Change::set("topic", "tides")?, Change::add(["counts", "visits"], 1), Change::remove("draft")];
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::storage::Change;
/// A condition on the stored document. A write fails with [`Error::Conflict`] if it does not hold.
///
/// A document past its expiry is absent.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::storage::{Collection, Condition, Key};
///
/// let seats = Collection::open("seats")?;
/// seats.delete_if(&Key::new("room", "seat-7"), &Condition::Present)?;
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::storage::Condition;
/// The key of a document: the partition, and the sort key within it.
///
/// ```
/// use tidegate_guest::storage::Key;
///
/// let key = Key::new("lobby", "2026-01-01");
/// assert_eq!((key.partition.as_str(), key.sort.as_str()), ("lobby", "2026-01-01"));
/// ```
pub use crate::bindings::route::tidegate::route::storage::Key;
/// An opaque version of a document, for [`Condition::Version`]. No version occurs twice for one key.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::json;
/// use tidegate_guest::storage::{Collection, Condition, Key, Version};
///
/// let rooms = Collection::open("rooms")?;
/// let key = Key::new("lobby", "room");
/// let version: Version = rooms.put(&key, &json!({ "topic": "anything" }))?;
/// rooms.put_with(&key, &json!({ "topic": "tides" }), Condition::Version(version))?;
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::storage::Version;
/// The options of a write: a condition, an expiry, or both. A [`Condition`] converts into it; `()` means no options.
///
/// ```
/// use tidegate_guest::storage::{Condition, WriteOptions};
///
/// let options = WriteOptions::from(Condition::Absent).expires_at(4_000_000_000_000);
/// assert_eq!(options.condition, Some(Condition::Absent));
/// assert_eq!(WriteOptions::from(()), WriteOptions::default());
/// ```
pub use crate::bindings::route::tidegate::route::storage::WriteOptions;
use crate::bindings::route::tidegate::route::storage::{self as host};
pub use collection::Collection;
pub use error::Error;
pub use query::{Page, Query};
pub use transaction::Transaction;

/// A stored document of type `T`, with its key and version.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use std::collections::BTreeMap;
/// use tidegate_guest::storage::{Collection, Item, Key};
///
/// let rooms = Collection::open("rooms")?;
/// let item: Option<Item<BTreeMap<String, String>>> = rooms.get(&Key::new("lobby", "room"))?;
/// let topic = item.and_then(|mut item| item.document.remove("topic"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    /// Partition and sort key.
    pub key: Key,
    /// The document, read as a `T`.
    pub document: T,
    /// The version that the last write made.
    pub version: Version,
    /// The expiry in milliseconds since the Unix epoch. The document is absent from then on.
    pub expires_at: Option<u64>,
}

impl Key {
    /// Makes a key. Each part is 1..=1,024 bytes; the host checks that.
    ///
    /// ```
    /// let key = tidegate_guest::storage::Key::new("lobby", format!("{:020}", 7));
    /// assert_eq!(key.sort, "00000000000000000007");
    /// ```
    #[must_use]
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self { partition: partition.into(), sort: sort.into() }
    }
}

impl<T: DeserializeOwned> Item<T> {
    fn read(item: host::Item) -> Result<Self, Error> {
        let host::Item { key, document, version, expires_at } = item;
        match serde_json::from_str(&document) {
            Ok(document) => Ok(Self { key, document, version, expires_at }),
            Err(error) => {
                let Key { partition, sort } = key;
                let text = format!("the document at `{partition}`, `{sort}` is not what the route expects: {error}");
                Err(Error::Document(text))
            }
        }
    }
}

fn write<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Document(format!("cannot write the value as JSON: {error}")))
}

#[cfg(test)]
mod tests;
