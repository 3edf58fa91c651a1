//! Documents in memory.

use async_trait::async_trait;
use tidegate_ports::Deadline;
use tidegate_ports::storage::{
    self, Action, Change, Condition, Item, Key, Operation, Order, Page, QueryOptions, SortRange, Storage, Version,
    WriteOptions,
};

use super::{Data, World};

impl Data {
    fn holds(&self, at: &(String, String, String), condition: Option<&Condition>) -> Result<(), storage::Error> {
        let item = self.documents.get(at);
        let holds = match condition {
            None => true,
            Some(Condition::Absent) => item.is_none(),
            Some(Condition::Present) => item.is_some(),
            Some(Condition::Version(version)) => item.is_some_and(|item| item.version == *version),
        };
        if holds { Ok(()) } else { Err(storage::Error::Conflict) }
    }

    fn put(&mut self, at: (String, String, String), document: &str, options: &WriteOptions) -> Item {
        self.versions += 1;
        let item = Item {
            key: Key { partition: at.1.clone(), sort: at.2.clone() },
            document: document.to_owned(),
            version: Version(format!("v{}", self.versions)),
            expires_at: options.expires_at,
        };
        self.documents.insert(at, item.clone());
        item
    }
}

fn at(collection: &str, key: &Key) -> (String, String, String) {
    (collection.to_owned(), key.partition.clone(), key.sort.clone())
}

#[async_trait]
impl Storage for World {
    async fn get(&self, collection: &str, key: &Key, _: Deadline) -> Result<Option<Item>, storage::Error> {
        match key.partition.as_str() {
            "never" => std::future::pending().await,
            "meeting" => self.meet().await,
            _ => {}
        }
        Ok(self.data().documents.get(&at(collection, key)).cloned())
    }

    async fn get_many(&self, collection: &str, keys: &[Key], _: Deadline) -> Result<Vec<Option<Item>>, storage::Error> {
        let data = self.data();
        Ok(keys.iter().map(|key| data.documents.get(&at(collection, key)).cloned()).collect())
    }

    async fn put(
        &self,
        collection: &str,
        key: &Key,
        document: &str,
        options: &WriteOptions,
        _: Deadline,
    ) -> Result<Version, storage::Error> {
        let mut data = self.data();
        let at = at(collection, key);
        data.holds(&at, options.condition.as_ref())?;
        Ok(data.put(at, document, options).version)
    }

    /// Returns the changes as they arrived, because applying them is the job of a backend.
    async fn update(
        &self,
        collection: &str,
        key: &Key,
        changes: &[Change],
        options: &WriteOptions,
        _: Deadline,
    ) -> Result<Item, storage::Error> {
        let mut data = self.data();
        let at = at(collection, key);
        data.holds(&at, options.condition.as_ref())?;
        Ok(data.put(at, &format!("{changes:?}"), options))
    }

    async fn delete(
        &self,
        collection: &str,
        key: &Key,
        condition: Option<&Condition>,
        _: Deadline,
    ) -> Result<(), storage::Error> {
        let mut data = self.data();
        let at = at(collection, key);
        data.holds(&at, condition)?;
        data.documents.remove(&at);
        Ok(())
    }

    /// The cursor is the number of earlier items.
    async fn query(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        _: Deadline,
    ) -> Result<Page, storage::Error> {
        let data = self.data();
        let within = |sort: &str| match &options.range {
            None => true,
            Some(SortRange::Prefix(start)) => sort.starts_with(start.as_str()),
            Some(SortRange::AtLeast(first)) => sort >= first.as_str(),
            Some(SortRange::AtMost(last)) => sort <= last.as_str(),
            Some(SortRange::Between(first, last)) => sort >= first.as_str() && sort <= last.as_str(),
        };
        let found = data.documents.iter().filter(|((c, p, s), _)| c == collection && p == partition && within(s));
        let mut items: Vec<Item> = found.map(|(_, item)| item.clone()).collect();
        if options.order == Order::Descending {
            items.reverse();
        }
        let from = options.cursor.as_ref().map_or(0, |cursor| cursor.0.parse().unwrap());
        let to = items.len().min(from + options.limit as usize);
        let cursor = (to < items.len()).then(|| storage::Cursor(to.to_string()));
        Ok(Page { items: items.drain(from..to).collect(), cursor })
    }

    async fn transact(&self, operations: &[Operation], _: Deadline) -> Result<(), storage::Error> {
        let mut data = self.data();
        for operation in operations {
            let condition = match &operation.action {
                Action::Put(_, options) | Action::Update(_, options) => options.condition.as_ref(),
                Action::Delete(condition) => condition.as_ref(),
                Action::Check(condition) => Some(condition),
            };
            data.holds(&at(&operation.collection, &operation.key), condition)?;
        }
        for operation in operations {
            let at = at(&operation.collection, &operation.key);
            match &operation.action {
                Action::Put(document, options) => drop(data.put(at, document, options)),
                Action::Update(changes, options) => drop(data.put(at, &format!("{changes:?}"), options)),
                Action::Delete(_) => drop(data.documents.remove(&at)),
                Action::Check(_) => {}
            }
        }
        Ok(())
    }
}
