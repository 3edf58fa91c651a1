//! The ports in memory, recording what the host asks of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use tidegate_capability::Deadline;
use tidegate_capability::messaging::{self, Messaging, Socket};
use tidegate_capability::registry::{self, ConnectionPage, Entry, MemberPage, Registry};
use tidegate_capability::storage::{
    self, Action, Change, Condition, Item, Key, Operation, Order, Page, QueryOptions, SortRange, Storage, Version,
    WriteOptions,
};
use tidegate_event::{Connection, ConnectionId, Payload, Timestamp};

/// The world behind a host.
#[derive(Default)]
pub(crate) struct World(Mutex<Data>);

#[derive(Default)]
pub(crate) struct Data {
    /// Messages in the order sent.
    pub(crate) sent: Vec<(String, Payload)>,
    /// What was delivered after a `$connect`.
    pub(crate) deferred: Vec<(String, Vec<Payload>)>,
    /// How many calls of `send_many` there were, and of how many targets.
    pub(crate) pages: Vec<usize>,
    pub(crate) closed: Vec<String>,
    pub(crate) reaped: Vec<String>,
    /// Connections that messaging finds gone.
    pub(crate) gone: HashSet<String>,
    /// Connections to which messages are not attempted.
    pub(crate) late: HashSet<String>,
    pub(crate) registered: BTreeMap<String, Entry>,
    /// How often a connection was registered and unregistered, in order.
    pub(crate) lifecycle: Vec<String>,
    /// Whether the registry refuses.
    pub(crate) broken: bool,
    documents: BTreeMap<(String, String, String), Item>,
    versions: u32,
}

impl World {
    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.0.lock().unwrap()
    }

    /// Puts connections into a group without the host.
    pub(crate) fn populate(&self, group: &str, ids: impl IntoIterator<Item = String>) {
        let mut data = self.data();
        for id in ids {
            let connection = crate::events::connection(&id);
            let entry = Entry { connection, attributes: Vec::new(), groups: vec![group.to_owned()] };
            data.registered.insert(id, entry);
        }
    }
}

#[async_trait]
impl Messaging for World {
    async fn send(&self, to: &ConnectionId, data: &Payload, _: Deadline) -> Result<(), messaging::Error> {
        self.data().send(to, data)
    }

    async fn send_many(&self, to: &[ConnectionId], data: &Payload, _: Deadline) -> Vec<Result<(), messaging::Error>> {
        let mut world = self.data();
        world.pages.push(to.len());
        to.iter().map(|to| world.send(to, data)).collect()
    }

    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], _: Deadline) -> usize {
        self.data().deferred.push((to.to_string(), messages.to_vec()));
        messages.len()
    }

    async fn describe(&self, _: &ConnectionId, _: Deadline) -> Result<Socket, messaging::Error> {
        Ok(Socket {
            connected_at: Timestamp(1_000),
            last_active_at: Timestamp(2_000),
            source_ip: "192.0.2.7".to_owned(),
            user_agent: Some("probe/1".to_owned()),
        })
    }

    async fn close(&self, id: &ConnectionId, _: Deadline) -> Result<(), messaging::Error> {
        self.data().closed.push(id.to_string());
        Ok(())
    }
}

impl Data {
    fn send(&mut self, to: &ConnectionId, data: &Payload) -> Result<(), messaging::Error> {
        if self.gone.contains(to.as_str()) {
            return Err(messaging::Error::Gone);
        }
        if self.late.contains(to.as_str()) {
            return Err(messaging::Error::NotAttempted);
        }
        self.sent.push((to.to_string(), data.clone()));
        Ok(())
    }

    fn entry(&mut self, id: &ConnectionId) -> Result<&mut Entry, registry::Error> {
        self.registered.get_mut(id.as_str()).ok_or(registry::Error::NotFound)
    }
}

#[async_trait]
impl Registry for World {
    async fn register(&self, connection: &Connection, _: Deadline) -> Result<(), registry::Error> {
        let mut data = self.data();
        if data.broken {
            return Err(registry::Error::Unavailable);
        }
        data.lifecycle.push(format!("register {}", connection.id));
        let entry = Entry { connection: connection.clone(), attributes: Vec::new(), groups: Vec::new() };
        data.registered.insert(connection.id.to_string(), entry);
        Ok(())
    }

    async fn unregister(&self, id: &ConnectionId, _: Deadline) -> Result<(), registry::Error> {
        let mut data = self.data();
        data.lifecycle.push(format!("unregister {id}"));
        data.registered.remove(id.as_str());
        Ok(())
    }

    async fn reap(&self, id: &ConnectionId, _: Deadline) -> Result<bool, registry::Error> {
        self.data().reaped.push(id.to_string());
        Ok(true)
    }

    async fn describe(&self, id: &ConnectionId, _: Deadline) -> Result<Entry, registry::Error> {
        self.data().entry(id).cloned()
    }

    async fn set_attributes(
        &self,
        id: &ConnectionId,
        changes: &[(String, Option<String>)],
        _: Deadline,
    ) -> Result<(), registry::Error> {
        let mut data = self.data();
        let entry = data.entry(id)?;
        for (name, value) in changes {
            entry.attributes.retain(|(known, _)| known != name);
            if let Some(value) = value {
                entry.attributes.push((name.clone(), value.clone()));
            }
        }
        Ok(())
    }

    async fn list(
        &self,
        limit: u32,
        _: Option<&registry::Cursor>,
        _: Deadline,
    ) -> Result<ConnectionPage, registry::Error> {
        let data = self.data();
        let connections = data.registered.values().take(limit as usize).map(|entry| entry.connection.clone());
        Ok(ConnectionPage { connections: connections.collect(), cursor: None })
    }

    async fn join(&self, group: &str, id: &ConnectionId, _: Deadline) -> Result<(), registry::Error> {
        let mut data = self.data();
        let groups = &mut data.entry(id)?.groups;
        let all: BTreeSet<_> = groups.drain(..).chain([group.to_owned()]).collect();
        groups.extend(all);
        Ok(())
    }

    async fn leave(&self, group: &str, id: &ConnectionId, _: Deadline) -> Result<(), registry::Error> {
        self.data().entry(id)?.groups.retain(|joined| joined != group);
        Ok(())
    }

    /// The cursor is the last id of the page; that member is listed again, as one that moves between pages would be.
    async fn members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&registry::Cursor>,
        _: Deadline,
    ) -> Result<MemberPage, registry::Error> {
        let data = self.data();
        let from = cursor.map_or("", |cursor| cursor.0.as_str());
        let in_group = |entry: &&Entry| entry.groups.iter().any(|joined| joined == group);
        let ids = data.registered.values().filter(in_group).map(|entry| entry.connection.id.clone());
        let members: Vec<_> = ids.filter(|id| id.as_str() >= from).take(limit as usize).collect();
        let full = members.len() == limit as usize;
        let cursor = members.last().filter(|_| full).map(|id| registry::Cursor(id.to_string()));
        Ok(MemberPage { members, cursor })
    }

    async fn count(&self, group: &str, _: Deadline) -> Result<u64, registry::Error> {
        let data = self.data();
        Ok(data.registered.values().filter(|entry| entry.groups.iter().any(|joined| joined == group)).count() as u64)
    }
}

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
        if key.partition == "never" {
            std::future::pending::<()>().await;
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

    /// Answers with the changes as they arrived: what they do to a document is the backend's.
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

    /// The cursor is how many items came before.
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
