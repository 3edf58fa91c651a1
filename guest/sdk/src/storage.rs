//! Documents in collections that the route is granted.
//!
//! A document is anything that serde writes as a JSON object. It has a key of two parts: the partition, which
//! [`Collection::query`] reads in the order of the sort keys, and the sort key within it.
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
//! // Creates the room unless it is there; `Error::Conflict` (409) when it is.
//! rooms.put_with(&key, &Room { topic: "anything".into(), messages: 0 }, Condition::Absent)?;
//!
//! // Counts, atomically.
//! let room = rooms.update::<Room>(&key, [Change::add("messages", 1)])?;
//!
//! // Writes only if nobody else has written since.
//! let changed = Room { topic: "tides".into(), ..room.document };
//! rooms.put_with(&key, &changed, Condition::Version(room.version))?;
//!
//! // Reads a partition from its end, page by page.
//! for item in rooms.query("lobby").descending().limit(20).items::<Room>() {
//!     let room = item?.document;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`query`]: reading a partition
//! - [`transaction`]: several writes, all or none
//! - [`change`]: what an update does to a document

pub mod change;
pub mod query;
pub mod transaction;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::route::tidegate::route::storage::{self as host};
pub use crate::bindings::route::tidegate::route::storage::{Change, Condition, Key, Version, WriteOptions};
pub use query::{Page, Query};
pub use transaction::Transaction;

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The route's grant does not cover this collection, or not this way to use it.
    #[error("the route is not granted this use of the collection `{0}`; see `grants.storage` in tidegate.toml")]
    Forbidden(String),
    /// A key, document, path, limit or cursor that is not allowed; which, and why.
    #[error("{0}")]
    Invalid(String),
    /// The condition did not hold, or another write won.
    #[error("another write was first")]
    Conflict,
    /// A document above 400 KB, or a request above its limit.
    #[error("the document is too large")]
    TooLarge,
    /// The host has retried already.
    #[error("storage is throttled")]
    Throttled,
    /// Unknown whether a write was applied.
    #[error("storage is unavailable")]
    Unavailable,
    /// What was read is not the type that the route asked for, or what was to be written is no JSON object.
    #[error("{0}")]
    Document(String),
}

/// A stored document, as its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    /// Where it is.
    pub key: Key,
    /// What it says.
    pub document: T,
    /// Which write made it; for [`Condition::Version`].
    pub version: Version,
    /// When it will be absent, in milliseconds since the Unix epoch.
    pub expires_at: Option<u64>,
}

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    name: String,
    handle: host::Collection,
}

impl Collection {
    /// Opens a collection that the route is granted. Asks nothing of the network.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] when `grants.storage` does not name it.
    pub fn open(name: &str) -> Result<Self, Error> {
        let handle = host::open(name).map_err(|error| Error::from_host(name, error))?;
        Ok(Self { name: name.to_owned(), handle })
    }

    /// The document at `key`, or none. Strongly consistent.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Item<T>>, Error> {
        self.check(self.handle.get(key))?.map(Item::read).transpose()
    }

    /// The documents at up to 100 keys, in the order of the keys.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when one is not a `T`, [`Error::Invalid`] for more than 100 keys.
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<Item<T>>>, Error> {
        let items = self.check(self.handle.get_many(keys))?;
        items.into_iter().map(|item| item.map(Item::read).transpose()).collect()
    }

    /// Writes the document, in place of one that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when it has no JSON, [`Error::Invalid`] when its JSON is no object or has a reserved name.
    pub fn put<T: Serialize + ?Sized>(&self, key: &Key, document: &T) -> Result<Version, Error> {
        self.put_with(key, document, WriteOptions::default())
    }

    /// Writes the document under a [`Condition`], with an expiry, or both ([`WriteOptions`]).
    ///
    /// # Errors
    ///
    /// As [`Self::put`]; [`Error::Conflict`] when the condition does not hold.
    pub fn put_with<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        document: &T,
        options: impl Into<WriteOptions>,
    ) -> Result<Version, Error> {
        self.check(self.handle.put(key, &write(document)?, &options.into()))
    }

    /// Changes the document in one atomic step, creating it when it is absent; gives it as it is afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when a change does not fit what is stored, [`Error::Document`] when the outcome is not a `T`
    /// (it is stored all the same).
    pub fn update<T: DeserializeOwned>(
        &self,
        key: &Key,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Item<T>, Error> {
        self.update_with(key, changes, WriteOptions::default())
    }

    /// As [`Self::update`], under a [`Condition`], with an expiry, or both ([`WriteOptions`]).
    ///
    /// # Errors
    ///
    /// As [`Self::update`]; [`Error::Conflict`] when the condition does not hold.
    pub fn update_with<T: DeserializeOwned>(
        &self,
        key: &Key,
        changes: impl IntoIterator<Item = Change>,
        options: impl Into<WriteOptions>,
    ) -> Result<Item<T>, Error> {
        let changes: Vec<Change> = changes.into_iter().collect();
        Item::read(self.check(self.handle.update(key, &changes, &options.into()))?)
    }

    /// Deletes the document; no error when there is none.
    ///
    /// # Errors
    ///
    /// Only the host's.
    pub fn delete(&self, key: &Key) -> Result<(), Error> {
        self.check(self.handle.delete(key, None))
    }

    /// Deletes the document if the condition holds.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when it does not.
    pub fn delete_if(&self, key: &Key, condition: &Condition) -> Result<(), Error> {
        self.check(self.handle.delete(key, Some(condition)))
    }

    /// A question about one partition, to be narrowed and then read.
    pub fn query<'a>(&'a self, partition: &'a str) -> Query<'a> {
        Query::new(self, partition)
    }

    fn check<T>(&self, result: Result<T, host::Error>) -> Result<T, Error> {
        result.map_err(|error| Error::from_host(&self.name, error))
    }
}

impl Error {
    fn from_host(collection: &str, error: host::Error) -> Self {
        match error {
            host::Error::Forbidden => Self::Forbidden(collection.to_owned()),
            host::Error::Invalid(reason) => Self::Invalid(reason),
            host::Error::Conflict => Self::Conflict,
            host::Error::TooLarge => Self::TooLarge,
            host::Error::Throttled => Self::Throttled,
            host::Error::Unavailable => Self::Unavailable,
        }
    }
}

impl Key {
    /// A key. Both parts are 1..=1,024 bytes.
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

#[allow(clippy::derivable_impls, reason = "the type is generated, with the same derives as every other")]
impl Default for WriteOptions {
    fn default() -> Self {
        Self { condition: None, expires_at: None }
    }
}

impl From<Condition> for WriteOptions {
    fn from(condition: Condition) -> Self {
        Self { condition: Some(condition), expires_at: None }
    }
}

impl WriteOptions {
    /// The options with a time after which the document is absent, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(mut self, time: u64) -> Self {
        self.expires_at = Some(time);
        self
    }
}

fn write<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Document(format!("a value has no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(document: &str) -> host::Item {
        let (document, version) = (document.to_owned(), "v1".to_owned());
        host::Item { key: Key::new("lobby", "1"), document, version, expires_at: Some(9) }
    }

    #[test]
    fn a_document_is_read_as_its_type() {
        let read: Item<Vec<u8>> = Item::read(item("[1,2]")).unwrap();
        assert_eq!(
            read,
            Item { key: Key::new("lobby", "1"), document: vec![1, 2], version: "v1".into(), expires_at: Some(9) }
        );
    }

    #[test]
    fn a_document_of_another_shape_names_its_key() {
        let error = Item::<Vec<u8>>::read(item("{}")).unwrap_err();
        assert!(matches!(&error, Error::Document(text) if text.contains("`lobby`, `1`")), "{error}");
    }

    #[test]
    fn a_condition_is_enough_for_options() {
        let options = WriteOptions::from(Condition::Absent).expires_at(5);
        assert_eq!(options, WriteOptions { condition: Some(Condition::Absent), expires_at: Some(5) });
    }

    #[test]
    fn a_host_s_refusal_names_the_collection() {
        assert_eq!(Error::from_host("rooms", host::Error::Forbidden), Error::Forbidden("rooms".into()));
    }
}
