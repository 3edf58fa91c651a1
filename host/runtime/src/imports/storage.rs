//! `tidegate:route/storage`: documents in collections.

use std::sync::Arc;

use tidegate_app::grants::Access;
use tidegate_ports::Storage;
use tidegate_ports::storage::{
    self, MAX_TRANSACT, check_cursor, check_keys, check_operations, check_partition, check_query_limit,
};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::collection::Collection;
use super::storage_types::{size_of_action, size_of_change, size_of_item};
use crate::bindings::tidegate::route::storage::{
    Action, Change, Condition, Error, Host, HostCollection, Item, Key, Operation, Page, QueryOptions, WriteOptions,
};
use crate::offload::{LARGE_BYTES, MANY_DOCUMENTS};
use crate::state::State;

/// The access that an operation needs.
#[derive(Debug, Clone, Copy)]
enum Needs {
    Read,
    Write,
    Update,
}

type Outcome<T> = Result<std::result::Result<T, Error>>;

impl Host for State {
    fn open(&mut self, name: String) -> Outcome<Resource<Collection>> {
        self.charge(name.len())?;
        if !self.permissions.grants.storage.contains_key(&name) {
            return Ok(Err(Error::Forbidden));
        }
        Ok(Ok(self.table.push(Collection { name })?))
    }

    async fn transact(&mut self, operations: Vec<Operation>) -> Outcome<()> {
        let mut wanted = Vec::with_capacity(operations.len().min(MAX_TRANSACT));
        for operation in operations {
            let needs = match &operation.action {
                Action::Put(_) | Action::Delete(_) => Needs::Write,
                Action::Update(_) => Needs::Update,
                Action::Check(_) => Needs::Read,
            };
            let collection = attempt!(self.granted(&operation.collection, needs)?);
            let key = storage::Key::from(operation.key);
            let action = storage::Action::from(operation.action);
            self.charge(size_of_action(&action))?;
            wanted.push(storage::Operation { collection, key, action });
        }
        attempt!(check_operations(&wanted));
        let bytes: usize = wanted.iter().map(|operation| size_of_action(&operation.action)).sum();
        let is_large = bytes > LARGE_BYTES || wanted.len() > MANY_DOCUMENTS;
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.transact(&wanted, deadline).await };
        Ok(self.event.database_call(is_large, call).await.map_err(Error::from))
    }
}

impl HostCollection for State {
    async fn get(&mut self, collection: Resource<Collection>, key: Key) -> Outcome<Option<Item>> {
        let collection = attempt!(self.granted(&collection, Needs::Read)?);
        let key = storage::Key::from(key);
        attempt!(key.check());
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.get(&collection, &key, deadline).await };
        let item = attempt!(self.event.database_call(self.permissions.reads_large_documents(), call).await);
        let bytes = item.as_ref().map_or(0, size_of_item);
        if bytes > LARGE_BYTES {
            self.permissions.record_large_document();
        }
        attempt!(self.charge_answer(bytes));
        Ok(Ok(item.map(Into::into)))
    }

    async fn get_many(&mut self, collection: Resource<Collection>, keys: Vec<Key>) -> Outcome<Vec<Option<Item>>> {
        let collection = attempt!(self.granted(&collection, Needs::Read)?);
        let keys: Vec<storage::Key> = keys.into_iter().map(Into::into).collect();
        attempt!(check_keys(&keys));
        if keys.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let is_large = keys.len() > MANY_DOCUMENTS || self.permissions.reads_large_documents();
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.get_many(&collection, &keys, deadline).await };
        let items = attempt!(self.event.database_call(is_large, call).await);
        if items.iter().flatten().any(|item| size_of_item(item) > LARGE_BYTES) {
            self.permissions.record_large_document();
        }
        attempt!(self.charge_answer(items.iter().flatten().map(size_of_item).sum()));
        Ok(Ok(items.into_iter().map(|item| item.map(Into::into)).collect()))
    }

    async fn put(
        &mut self,
        collection: Resource<Collection>,
        key: Key,
        document: String,
        options: WriteOptions,
    ) -> Outcome<String> {
        self.charge(document.len())?;
        let collection = attempt!(self.granted(&collection, Needs::Write)?);
        let key = storage::Key::from(key);
        let options = storage::WriteOptions::from(options);
        attempt!(key.check());
        attempt!(options.condition.as_ref().map_or(Ok(()), storage::Condition::check));
        let is_large = document.len() > LARGE_BYTES;
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.put(&collection, &key, &document, &options, deadline).await };
        let version = self.event.database_call(is_large, call).await;
        Ok(version.map(|version| version.0).map_err(Error::from))
    }

    async fn update(
        &mut self,
        collection: Resource<Collection>,
        key: Key,
        changes: Vec<Change>,
        options: WriteOptions,
    ) -> Outcome<Item> {
        let collection = attempt!(self.granted(&collection, Needs::Update)?);
        let key = storage::Key::from(key);
        let options = storage::WriteOptions::from(options);
        attempt!(key.check());
        attempt!(options.condition.as_ref().map_or(Ok(()), storage::Condition::check));
        let changes: Vec<storage::Change> = changes.into_iter().map(Into::into).collect();
        let bytes = changes.iter().map(size_of_change).sum();
        self.charge(bytes)?;
        let is_large = bytes > LARGE_BYTES || self.permissions.reads_large_documents();
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.update(&collection, &key, &changes, &options, deadline).await };
        let item = attempt!(self.event.database_call(is_large, call).await);
        if size_of_item(&item) > LARGE_BYTES {
            self.permissions.record_large_document();
        }
        self.charge(size_of_item(&item))?;
        Ok(Ok(item.into()))
    }

    async fn delete(
        &mut self,
        collection: Resource<Collection>,
        key: Key,
        condition: Option<Condition>,
    ) -> Outcome<()> {
        let collection = attempt!(self.granted(&collection, Needs::Write)?);
        let key = storage::Key::from(key);
        let condition = condition.map(storage::Condition::from);
        attempt!(key.check());
        attempt!(condition.as_ref().map_or(Ok(()), storage::Condition::check));
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.delete(&collection, &key, condition.as_ref(), deadline).await };
        let deleted = self.event.database_call(false, call).await;
        Ok(deleted.map_err(Error::from))
    }

    async fn query(
        &mut self,
        collection: Resource<Collection>,
        partition: String,
        options: QueryOptions,
    ) -> Outcome<Page> {
        let collection = attempt!(self.granted(&collection, Needs::Read)?);
        attempt!(check_partition(&partition));
        attempt!(check_query_limit(options.limit));
        let options = storage::QueryOptions::from(options);
        attempt!(check_cursor(options.cursor.as_ref()));
        let is_large = options.limit as usize > MANY_DOCUMENTS || self.permissions.reads_large_documents();
        let storage = attempt!(self.storage());
        let deadline = self.event.port_deadline;
        let call = async move { storage.query(&collection, &partition, &options, deadline).await };
        let page = attempt!(self.event.database_call(is_large, call).await);
        attempt!(self.charge_answer(page.items.iter().map(size_of_item).sum()));
        let items = page.items.into_iter().map(Into::into).collect();
        Ok(Ok(Page { items, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    fn drop(&mut self, collection: Resource<Collection>) -> Result<()> {
        self.table.delete(collection)?;
        Ok(())
    }
}

impl State {
    fn storage(&self) -> std::result::Result<Arc<dyn Storage>, Error> {
        self.event.ports.storage().cloned().ok_or(Error::Unavailable)
    }

    /// Subtracts the bytes of an answer from the event's budget. An answer that is too large is an error for the guest
    /// and not a trap, because a valid `get-many` may ask for more than the budget.
    fn charge_answer(&mut self, bytes: usize) -> std::result::Result<(), Error> {
        if self.try_charge(bytes) { Ok(()) } else { Err(Error::TooLarge) }
    }

    /// Returns the collection's name if the route is granted this access. An invalid handle is a trap.
    fn granted(&self, handle: &Resource<Collection>, needs: Needs) -> Outcome<String> {
        let collection = self.table.get(handle)?;
        let access = self.permissions.grants.storage.get(&collection.name).copied();
        let allowed = access.is_some_and(|access| allows(access, needs));
        Ok(if allowed { Ok(collection.name.clone()) } else { Err(Error::Forbidden) })
    }
}

/// Returns true if `access` covers the operation. An update returns the document, so it also reads.
fn allows(access: Access, needs: Needs) -> bool {
    match needs {
        Needs::Read => access.reads(),
        Needs::Write => access.writes(),
        Needs::Update => access.reads() && access.writes(),
    }
}
