//! `tidegate:route/storage`: documents in collections.

use tidegate_capability::grants::Access;
use tidegate_capability::storage::{self, MAX_GET_MANY, MAX_QUERY_LIMIT, MAX_TRANSACT};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::storage_types::{check_changes, check_key, check_partition, size_of_item};
use super::{at_most, page_limit};
use crate::bindings::tidegate::route::storage::{
    Action, Change, Condition, Error, Host, HostCollection, Item, Key, Operation, Page, QueryOptions, WriteOptions,
};
use crate::state::State;

/// An opened collection. It holds a name only: the grant is looked up again at every call.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Collection {
    name: String,
}

/// What an operation does to a document.
#[derive(Debug, Clone, Copy)]
enum Use {
    Read,
    Write,
    Update,
}

type Outcome<T> = Result<std::result::Result<T, Error>>;

/// Ends a host call with the guest's error.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(Error::from(error))),
        }
    };
}

impl Host for State {
    fn open(&mut self, name: String) -> Outcome<Resource<Collection>> {
        self.charge(name.len())?;
        if !self.route.grants.storage.contains_key(&name) {
            return Ok(Err(Error::Forbidden));
        }
        Ok(Ok(self.table.push(Collection { name })?))
    }

    async fn transact(&mut self, operations: Vec<Operation>) -> Outcome<()> {
        let mut wanted = Vec::with_capacity(operations.len().min(MAX_TRANSACT));
        attempt!(at_most("operations", operations.len(), MAX_TRANSACT));
        if operations.is_empty() {
            return Ok(Err(Error::Invalid("no operations".to_owned())));
        }
        for operation in operations {
            let how = match &operation.action {
                Action::Put(_) | Action::Delete(_) => Use::Write,
                Action::Update(_) => Use::Update,
                Action::Check(_) => Use::Read,
            };
            let collection = attempt!(self.granted(&operation.collection, how)?);
            attempt!(check_key(&operation.key));
            if let Action::Update((changes, _)) = &operation.action {
                attempt!(check_changes(changes));
            }
            let (key, action): (storage::Key, storage::Action) = (operation.key.into(), operation.action.into());
            self.charge(size_of_action(&action))?;
            wanted.push(storage::Operation { collection, key, action });
        }
        let mut keys = std::collections::HashSet::with_capacity(wanted.len());
        if !wanted.iter().all(|operation| keys.insert((&operation.collection, &operation.key))) {
            return Ok(Err(Error::Invalid("two operations are on the same key".to_owned())));
        }
        Ok(self.ports.storage.transact(&wanted, self.deadline).await.map_err(Error::from))
    }
}

impl HostCollection for State {
    async fn get(&mut self, collection: Resource<Collection>, key: Key) -> Outcome<Option<Item>> {
        let collection = attempt!(self.granted(&collection, Use::Read)?);
        attempt!(check_key(&key));
        let item = attempt!(self.ports.storage.get(&collection, &key.into(), self.deadline).await);
        self.charge(item.as_ref().map_or(0, size_of_item))?;
        Ok(Ok(item.map(Into::into)))
    }

    async fn get_many(&mut self, collection: Resource<Collection>, keys: Vec<Key>) -> Outcome<Vec<Option<Item>>> {
        let collection = attempt!(self.granted(&collection, Use::Read)?);
        attempt!(at_most("keys", keys.len(), MAX_GET_MANY));
        for key in &keys {
            attempt!(check_key(key));
        }
        if keys.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let keys: Vec<storage::Key> = keys.into_iter().map(Into::into).collect();
        let items = attempt!(self.ports.storage.get_many(&collection, &keys, self.deadline).await);
        self.charge(items.iter().flatten().map(size_of_item).sum())?;
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
        let collection = attempt!(self.granted(&collection, Use::Write)?);
        attempt!(check_key(&key));
        let (key, options) = (key.into(), options.into());
        let version = self.ports.storage.put(&collection, &key, &document, &options, self.deadline).await;
        Ok(version.map(|version| version.0).map_err(Error::from))
    }

    async fn update(
        &mut self,
        collection: Resource<Collection>,
        key: Key,
        changes: Vec<Change>,
        options: WriteOptions,
    ) -> Outcome<Item> {
        let collection = attempt!(self.granted(&collection, Use::Update)?);
        attempt!(check_key(&key));
        attempt!(check_changes(&changes));
        let changes: Vec<storage::Change> = changes.into_iter().map(Into::into).collect();
        self.charge(changes.iter().map(size_of_change).sum())?;
        let (key, options) = (key.into(), options.into());
        let item = attempt!(self.ports.storage.update(&collection, &key, &changes, &options, self.deadline).await);
        self.charge(size_of_item(&item))?;
        Ok(Ok(item.into()))
    }

    async fn delete(
        &mut self,
        collection: Resource<Collection>,
        key: Key,
        condition: Option<Condition>,
    ) -> Outcome<()> {
        let collection = attempt!(self.granted(&collection, Use::Write)?);
        attempt!(check_key(&key));
        let (key, condition) = (key.into(), condition.map(Into::into));
        let deleted = self.ports.storage.delete(&collection, &key, condition.as_ref(), self.deadline).await;
        Ok(deleted.map_err(Error::from))
    }

    async fn query(
        &mut self,
        collection: Resource<Collection>,
        partition: String,
        options: QueryOptions,
    ) -> Outcome<Page> {
        let collection = attempt!(self.granted(&collection, Use::Read)?);
        attempt!(check_partition(&partition));
        attempt!(page_limit(options.limit, MAX_QUERY_LIMIT));
        let page = self.ports.storage.query(&collection, &partition, &options.into(), self.deadline).await;
        let page = attempt!(page);
        self.charge(page.items.iter().map(size_of_item).sum())?;
        let items = page.items.into_iter().map(Into::into).collect();
        Ok(Ok(Page { items, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    fn drop(&mut self, collection: Resource<Collection>) -> Result<()> {
        self.table.delete(collection)?;
        Ok(())
    }
}

impl State {
    /// The collection's name, if the route may use it so. A handle that is not one is a trap.
    fn granted(&self, handle: &Resource<Collection>, how: Use) -> Outcome<String> {
        let collection = self.table.get(handle)?;
        let access = self.route.grants.storage.get(&collection.name).copied();
        let allowed = access.is_some_and(|access| allows(access, how));
        Ok(if allowed { Ok(collection.name.clone()) } else { Err(Error::Forbidden) })
    }
}

/// An update answers with the document, so it reads as well.
fn allows(access: Access, how: Use) -> bool {
    match how {
        Use::Read => access.reads(),
        Use::Write => access.writes(),
        Use::Update => access.reads() && access.writes(),
    }
}

fn size_of_action(action: &storage::Action) -> usize {
    match action {
        storage::Action::Put(document, _) => document.len(),
        storage::Action::Update(changes, _) => changes.iter().map(size_of_change).sum(),
        storage::Action::Delete(_) | storage::Action::Check(_) => 0,
    }
}

fn size_of_change(change: &storage::Change) -> usize {
    match change {
        storage::Change::Set { value, .. } => value.len(),
        storage::Change::Append { values, .. } => values.len(),
        storage::Change::Add { .. } | storage::Change::Remove { .. } => size_of::<i64>(),
    }
}
