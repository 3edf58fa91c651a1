//! `tidegate:route/storage`: documents in collections.

use tidegate_app::grants::Access;
use tidegate_ports::storage::{self, MAX_TRANSACT, check_keys, check_operations, check_partition, check_query_limit};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::storage_types::{size_of_action, size_of_change, size_of_item};
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
        for operation in operations {
            let how = match &operation.action {
                Action::Put(_) | Action::Delete(_) => Use::Write,
                Action::Update(_) => Use::Update,
                Action::Check(_) => Use::Read,
            };
            let collection = attempt!(self.granted(&operation.collection, how)?);
            let (key, action): (storage::Key, storage::Action) = (operation.key.into(), operation.action.into());
            self.charge(size_of_action(&action))?;
            wanted.push(storage::Operation { collection, key, action });
        }
        attempt!(check_operations(&wanted));
        Ok(self.ports.storage.transact(&wanted, self.deadline).await.map_err(Error::from))
    }
}

impl HostCollection for State {
    async fn get(&mut self, collection: Resource<Collection>, key: Key) -> Outcome<Option<Item>> {
        let collection = attempt!(self.granted(&collection, Use::Read)?);
        let key = storage::Key::from(key);
        attempt!(key.check());
        let item = attempt!(self.ports.storage.get(&collection, &key, self.deadline).await);
        attempt!(self.fits(item.as_ref().map_or(0, size_of_item)));
        Ok(Ok(item.map(Into::into)))
    }

    async fn get_many(&mut self, collection: Resource<Collection>, keys: Vec<Key>) -> Outcome<Vec<Option<Item>>> {
        let collection = attempt!(self.granted(&collection, Use::Read)?);
        let keys: Vec<storage::Key> = keys.into_iter().map(Into::into).collect();
        attempt!(check_keys(&keys));
        if keys.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let items = attempt!(self.ports.storage.get_many(&collection, &keys, self.deadline).await);
        attempt!(self.fits(items.iter().flatten().map(size_of_item).sum()));
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
        let (key, options) = (storage::Key::from(key), options.into());
        attempt!(key.check());
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
        let (key, options) = (storage::Key::from(key), options.into());
        attempt!(key.check());
        let changes: Vec<storage::Change> = changes.into_iter().map(Into::into).collect();
        self.charge(changes.iter().map(size_of_change).sum())?;
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
        let (key, condition) = (storage::Key::from(key), condition.map(Into::into));
        attempt!(key.check());
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
        attempt!(check_query_limit(options.limit));
        let page = self.ports.storage.query(&collection, &partition, &options.into(), self.deadline).await;
        let page = attempt!(page);
        attempt!(self.fits(page.items.iter().map(size_of_item).sum()));
        let items = page.items.into_iter().map(Into::into).collect();
        Ok(Ok(Page { items, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    fn drop(&mut self, collection: Resource<Collection>) -> Result<()> {
        self.table.delete(collection)?;
        Ok(())
    }
}

impl State {
    /// Takes an answer's bytes from the event's budget. A legal `get-many` may ask for more than there is, so that this is
    /// the guest's error and no trap.
    fn fits(&mut self, bytes: usize) -> std::result::Result<(), Error> {
        if self.affords(bytes) { Ok(()) } else { Err(Error::TooLarge) }
    }

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
