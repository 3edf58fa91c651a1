//! Several writes, all or none.

use serde::Serialize;

use crate::bindings::route::tidegate::route::storage::{Action, Operation};
use crate::storage::{Change, Collection, Condition, Error, Key, WriteOptions, host, write};

/// 1 to 100 operations on distinct keys: all of them are applied, or none.
///
/// ```no_run
/// # use tidegate_guest::storage::{Change, Collection, Condition, Key, Transaction};
/// # fn main() -> Result<(), tidegate_guest::Error> {
/// let seats = Collection::open("seats")?;
/// Transaction::new()
///     .check(&seats, Key::new("room", "open"), Condition::Present)
///     .update(&seats, Key::new("room", "count"), [Change::add("taken", 1)], ())
///     .put(&seats, Key::new("room", "seat-7"), &tidegate_guest::json!({ "by": "alice" }), Condition::Absent)?
///     .commit()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a transaction does nothing until `commit`"]
pub struct Transaction<'a> {
    operations: Vec<Operation<'a>>,
    names: Vec<&'a str>,
}

impl<'a> Transaction<'a> {
    /// A transaction without operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a document.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] when it has no JSON.
    pub fn put<T: Serialize + ?Sized>(
        self,
        collection: &'a Collection,
        key: Key,
        document: &T,
        options: impl Into<WriteOptions>,
    ) -> Result<Self, Error> {
        let action = Action::Put((write(document)?, options.into()));
        Ok(self.with(collection, key, action))
    }

    /// Changes a document, creating it when it is absent.
    pub fn update(
        self,
        collection: &'a Collection,
        key: Key,
        changes: impl IntoIterator<Item = Change>,
        options: impl Into<WriteOptions>,
    ) -> Self {
        self.with(collection, key, Action::Update((changes.into_iter().collect(), options.into())))
    }

    /// Deletes a document.
    pub fn delete(self, collection: &'a Collection, key: Key, condition: Option<Condition>) -> Self {
        self.with(collection, key, Action::Delete(condition))
    }

    /// Writes nothing, and lets the transaction fail unless the condition holds.
    pub fn check(self, collection: &'a Collection, key: Key, condition: Condition) -> Self {
        self.with(collection, key, Action::Check(condition))
    }

    /// Applies all operations.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when a condition does not hold or another write won; then nothing was applied.
    pub fn commit(self) -> Result<(), Error> {
        host::transact(&self.operations).map_err(|error| Error::from_host(&self.names.join(", "), error))
    }

    fn with(mut self, collection: &'a Collection, key: Key, action: Action) -> Self {
        if !self.names.contains(&collection.name.as_str()) {
            self.names.push(&collection.name);
        }
        self.operations.push(Operation { collection: &collection.handle, key, action });
        self
    }
}

/// No options.
impl From<()> for WriteOptions {
    fn from((): ()) -> Self {
        Self::default()
    }
}
