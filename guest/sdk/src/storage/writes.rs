//! The write operations of a collection.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::{Change, Collection, Condition, Error, Item, Key, Version, WriteOptions, write};

impl Collection {
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
}
