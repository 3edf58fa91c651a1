//! A collection and its read operations.

use serde::de::DeserializeOwned;

use crate::bindings::route::tidegate::route::storage as host;
use crate::storage::{Error, Item, Key, Query};

/// An open collection.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::json;
/// use tidegate_guest::storage::{Collection, Key};
///
/// let rooms = Collection::open("rooms")?;
/// rooms.put(&Key::new("lobby", "room"), &json!({ "topic": "anything" }))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Collection {
    pub(super) name: String,
    pub(super) handle: host::Collection,
}

impl Collection {
    /// Opens a collection without a network call.
    ///
    /// ```no_run
    /// # fn main() -> tidegate_guest::Result<()> {
    /// let rooms = tidegate_guest::storage::Collection::open("rooms")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] if `grants.storage` does not name the collection.
    pub fn open(name: &str) -> Result<Self, Error> {
        let handle = host::open(name).map_err(|error| Error::from_host(name, error))?;
        Ok(Self { name: name.to_owned(), handle })
    }

    /// Reads one document, or none if it is absent. The read is strongly consistent.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Collection, Key}};
    /// # #[derive(serde::Deserialize)]
    /// # struct Room { topic: String }
    /// fn topic(rooms: &Collection) -> Result<Option<String>> {
    ///     let item = rooms.get::<Room>(&Key::new("lobby", "room"))?;
    ///     Ok(item.map(|item| item.document.topic))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if the document is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Item<T>>, Error> {
        self.check(self.handle.get(key))?.map(Item::read).transpose()
    }

    /// Reads at most 100 documents. The results are in the order of the keys.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Collection, Key}};
    /// # #[derive(serde::Deserialize)]
    /// # struct Room { topic: String }
    /// fn existing(rooms: &Collection, names: &[&str]) -> Result<usize> {
    ///     let keys: Vec<Key> = names.iter().map(|name| Key::new(*name, "room")).collect();
    ///     Ok(rooms.get_many::<Room>(&keys)?.iter().flatten().count())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if a document is not a `T`, [`Error::Invalid`] for more than 100 keys, [`Error::TooLarge`]
    /// if the documents are above the bytes that the event may still transfer.
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<Item<T>>>, Error> {
        let items = self.check(self.handle.get_many(keys))?;
        items.into_iter().map(|item| item.map(Item::read).transpose()).collect()
    }

    /// Makes a query of one partition.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::Collection};
    /// # #[derive(serde::Deserialize)]
    /// # struct Post { text: String }
    /// fn newest(messages: &Collection) -> Result<Vec<String>> {
    ///     let items = messages.query("lobby").descending().limit(20).items::<Post>();
    ///     items.map(|item| Ok(item?.document.text)).collect()
    /// }
    /// ```
    pub fn query<'a>(&'a self, partition: &'a str) -> Query<'a> {
        Query::new(self, partition)
    }

    pub(super) fn check<T>(&self, result: Result<T, host::Error>) -> Result<T, Error> {
        result.map_err(|error| Error::from_host(&self.name, error))
    }
}
