//! Several writes, of which all or none are applied.

use serde::Serialize;

use crate::bindings::route::tidegate::route::storage::{Action, Operation};
use crate::storage::{Change, Collection, Condition, Error, Key, WriteOptions, host, write};

/// A transaction of 1 to 100 operations on distinct keys. All of them are applied, or none.
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
    /// Makes a transaction without operations.
    ///
    /// ```
    /// let transaction = tidegate_guest::storage::Transaction::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write of a document. `()` means no options.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, json, storage::{Collection, Key, Transaction}};
    /// fn create(rooms: &Collection) -> Result<()> {
    ///     let key = Key::new("lobby", "room");
    ///     Ok(Transaction::new().put(rooms, key, &json!({ "topic": "anything" }), ())?.commit()?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Document`] if the value cannot be written as JSON.
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

    /// Adds an update of a document, which is created if it is absent. `()` means no options.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Change, Collection, Key, Transaction}};
    /// fn transfer(accounts: &Collection) -> Result<()> {
    ///     let transaction = Transaction::new()
    ///         .update(accounts, Key::new("account", "alice"), [Change::add("balance", -5)], ())
    ///         .update(accounts, Key::new("account", "bob"), [Change::add("balance", 5)], ());
    ///     Ok(transaction.commit()?)
    /// }
    /// ```
    pub fn update(
        self,
        collection: &'a Collection,
        key: Key,
        changes: impl IntoIterator<Item = Change>,
        options: impl Into<WriteOptions>,
    ) -> Self {
        self.with(collection, key, Action::Update((changes.into_iter().collect(), options.into())))
    }

    /// Adds a delete of a document.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::{Collection, Condition, Key, Transaction}};
    /// fn leave(seats: &Collection) -> Result<()> {
    ///     let key = Key::new("room", "seat-7");
    ///     Ok(Transaction::new().delete(seats, key, Some(Condition::Present)).commit()?)
    /// }
    /// ```
    pub fn delete(self, collection: &'a Collection, key: Key, condition: Option<Condition>) -> Self {
        self.with(collection, key, Action::Delete(condition))
    }

    /// Adds a check, which writes nothing. The transaction fails unless the condition holds.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, json, storage::{Collection, Condition, Key, Transaction}};
    /// fn take(seats: &Collection) -> Result<()> {
    ///     let transaction = Transaction::new()
    ///         .check(seats, Key::new("room", "open"), Condition::Present)
    ///         .put(seats, Key::new("room", "seat-7"), &json!({ "by": "alice" }), Condition::Absent)?;
    ///     Ok(transaction.commit()?)
    /// }
    /// ```
    pub fn check(self, collection: &'a Collection, key: Key, condition: Condition) -> Self {
        self.with(collection, key, Action::Check(condition))
    }

    /// Applies all operations.
    ///
    /// ```no_run
    /// # use tidegate_guest::storage::{Error, Transaction};
    /// fn is_applied(transaction: Transaction<'_>) -> Result<bool, Error> {
    ///     match transaction.commit() {
    ///         Ok(()) => Ok(true),
    ///         Err(Error::Conflict) => Ok(false),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if a condition does not hold or another write happened first. Nothing is applied then.
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
