//! A collection and its operations.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::route::tidegate::route::storage as host;
use crate::storage::{Change, Condition, Error, Item, Key, Query, Version, WriteOptions, write};

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

    /// Writes a document, and replaces the one that is stored.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, json, storage::{Collection, Key}};
    /// fn reset(rooms: &Collection) -> Result<()> {
    ///     rooms.put(&Key::new("lobby", "room"), &json!({ "topic": "anything" }))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if the value cannot be written as JSON, [`Error::Invalid`] if it is not a JSON object or
    /// has a reserved name.
    pub fn put<T: Serialize + ?Sized>(&self, key: &Key, document: &T) -> Result<Version, Error> {
        self.put_with(key, document, WriteOptions::default())
    }

    /// Writes a document under a [`Condition`], with an expiry, or both ([`WriteOptions`]).
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, json, storage::{Collection, Condition, Key}};
    /// fn create(rooms: &Collection) -> Result<()> {
    ///     rooms.put_with(&Key::new("lobby", "room"), &json!({ "topic": "anything" }), Condition::Absent)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Self::put`], and [`Error::Conflict`] if the condition does not hold.
    pub fn put_with<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        document: &T,
        options: impl Into<WriteOptions>,
    ) -> Result<Version, Error> {
        self.check(self.handle.put(key, &write(document)?, &options.into()))
    }

    /// Applies all changes to a document in one atomic step, and returns the changed document. Creates the document if
    /// it is absent.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Change, Collection, Key}};
    /// # #[derive(serde::Deserialize)]
    /// # struct Room { visits: u64 }
    /// fn visit(rooms: &Collection) -> Result<u64> {
    ///     let item = rooms.update::<Room>(&Key::new("lobby", "room"), [Change::add("visits", 1)])?;
    ///     Ok(item.document.visits)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a change does not fit the stored document, [`Error::Document`] if the changed document is
    /// not a `T`. In the second case the changes are stored.
    pub fn update<T: DeserializeOwned>(
        &self,
        key: &Key,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Item<T>, Error> {
        self.update_with(key, changes, WriteOptions::default())
    }

    /// Applies changes as [`Self::update`] does, under a [`Condition`], with an expiry, or both ([`WriteOptions`]).
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Change, Collection, Condition, Key}};
    /// # #[derive(serde::Deserialize)]
    /// # struct Room { visits: u64 }
    /// fn visit_existing(rooms: &Collection) -> Result<u64> {
    ///     let key = Key::new("lobby", "room");
    ///     let item = rooms.update_with::<Room>(&key, [Change::add("visits", 1)], Condition::Present)?;
    ///     Ok(item.document.visits)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Self::update`], and [`Error::Conflict`] if the condition does not hold.
    pub fn update_with<T: DeserializeOwned>(
        &self,
        key: &Key,
        changes: impl IntoIterator<Item = Change>,
        options: impl Into<WriteOptions>,
    ) -> Result<Item<T>, Error> {
        let changes: Vec<Change> = changes.into_iter().collect();
        Item::read(self.check(self.handle.update(key, &changes, &options.into()))?)
    }

    /// Deletes a document. Deleting an absent document is not an error.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Collection, Key}};
    /// fn close(rooms: &Collection) -> Result<()> {
    ///     Ok(rooms.delete(&Key::new("lobby", "room"))?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Throttled`] or [`Error::Unavailable`].
    pub fn delete(&self, key: &Key) -> Result<(), Error> {
        self.check(self.handle.delete(key, None))
    }

    /// Deletes a document if a condition holds.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Collection, Condition, Item, Key}};
    /// # struct Room;
    /// fn close_unchanged(rooms: &Collection, item: Item<Room>) -> Result<()> {
    ///     Ok(rooms.delete_if(&item.key, &Condition::Version(item.version))?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Self::delete`], and [`Error::Conflict`] if the condition does not hold.
    pub fn delete_if(&self, key: &Key, condition: &Condition) -> Result<(), Error> {
        self.check(self.handle.delete(key, Some(condition)))
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
