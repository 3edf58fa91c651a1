//! Ports in memory, which record the calls of the host.

mod storage;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use tidegate_event::{Connection, ConnectionId, Payload, Timestamp};
use tidegate_ports::Deadline;
use tidegate_ports::messaging::{self, Messaging, Socket};
use tidegate_ports::registry::{self, ConnectionPage, Entry, MemberPage, Registry};
use tidegate_ports::storage::Item;
use tokio::sync::Barrier;

/// The number of calls that must be under way at a time.
pub(crate) const MEETING: usize = 2;

/// The data behind the ports.
pub(crate) struct World {
    data: Mutex<Data>,
    meeting: Barrier,
}

impl Default for World {
    fn default() -> Self {
        Self { data: Mutex::default(), meeting: Barrier::new(MEETING) }
    }
}

#[derive(Default)]
pub(crate) struct Data {
    /// Messages in the order sent.
    pub(crate) sent: Vec<(String, Payload)>,
    /// Messages that were delivered after `$connect`.
    pub(crate) deferred: Vec<(String, Vec<Payload>)>,
    /// The number of targets of each call of `send_many`.
    pub(crate) pages: Vec<usize>,
    pub(crate) closed: Vec<String>,
    pub(crate) reaped: Vec<String>,
    /// Connections that messaging finds gone.
    pub(crate) gone: HashSet<String>,
    /// Connections to which messages are not attempted.
    pub(crate) late: HashSet<String>,
    pub(crate) registered: BTreeMap<String, Entry>,
    /// Registrations and unregistrations, in order.
    pub(crate) lifecycle: Vec<String>,
    /// The deadline of the last registration.
    pub(crate) register_by: Option<Deadline>,
    /// The deadline of the last unregistration.
    pub(crate) unregister_by: Option<Deadline>,
    /// True to make the registry fail.
    pub(crate) broken: bool,
    /// Groups that list a connection without a row.
    pub(crate) strays: BTreeSet<(String, String)>,
    /// Connections that are too young to be reaped.
    pub(crate) young: HashSet<String>,
    /// The user agent that `describe` returns, if it is not `probe/1`.
    pub(crate) user_agent: Option<String>,
    /// True to fail every page of a group but the first.
    pub(crate) first_page_only: bool,
    /// The number of results that `send_many` leaves out.
    pub(crate) missing: usize,
    /// The number of calls under way, and its maximum.
    pub(crate) meeting: (usize, usize),
    documents: BTreeMap<(String, String, String), Item>,
    versions: u32,
}

impl World {
    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap()
    }

    /// Adds connections to a group without the host.
    pub(crate) fn populate(&self, group: &str, ids: impl IntoIterator<Item = String>) {
        let mut data = self.data();
        for id in ids {
            let connection = crate::events::connection(&id);
            let entry = Entry { connection, attributes: Vec::new(), groups: vec![group.to_owned()] };
            data.registered.insert(id, entry);
        }
    }

    /// Waits until enough calls are under way, and yields before it returns.
    async fn meet(&self) {
        {
            let (now, most) = &mut self.data().meeting;
            *now += 1;
            *most = (*most).max(*now);
        }
        self.meeting.wait().await;
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        self.data().meeting.0 -= 1;
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
        let answered = to.len().saturating_sub(world.missing);
        to.iter().take(answered).map(|to| world.send(to, data)).collect()
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
            user_agent: self.data().user_agent.clone().or(Some("probe/1".to_owned())),
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
    async fn register(&self, connection: &Connection, deadline: Deadline) -> Result<(), registry::Error> {
        let mut data = self.data();
        data.register_by = Some(deadline);
        if data.broken {
            return Err(registry::Error::Unavailable);
        }
        data.lifecycle.push(format!("register {}", connection.id));
        let entry = Entry { connection: connection.clone(), attributes: Vec::new(), groups: Vec::new() };
        data.registered.insert(connection.id.to_string(), entry);
        Ok(())
    }

    async fn unregister(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), registry::Error> {
        let mut data = self.data();
        data.unregister_by = Some(deadline);
        data.lifecycle.push(format!("unregister {id}"));
        data.registered.remove(id.as_str());
        Ok(())
    }

    async fn reap(&self, id: &ConnectionId, _: Deadline) -> Result<bool, registry::Error> {
        let mut data = self.data();
        data.reaped.push(id.to_string());
        Ok(!data.young.contains(id.as_str()) && data.registered.remove(id.as_str()).is_some())
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
        let mut data = self.data();
        data.strays.remove(&(group.to_owned(), id.to_string()));
        if let Ok(entry) = data.entry(id) {
            entry.groups.retain(|joined| joined != group);
        }
        Ok(())
    }

    /// The cursor is the last id of the page. The next page lists that member again, as if it had moved between pages.
    async fn members(
        &self,
        group: &str,
        limit: u32,
        cursor: Option<&registry::Cursor>,
        _: Deadline,
    ) -> Result<MemberPage, registry::Error> {
        let data = self.data();
        if cursor.is_some() && data.first_page_only {
            return Err(registry::Error::Unavailable);
        }
        let from = cursor.map_or("", |cursor| cursor.0.as_str());
        let in_group = |entry: &&Entry| entry.groups.iter().any(|joined| joined == group);
        let ids = data.registered.values().filter(in_group).map(|entry| entry.connection.id.clone());
        let strays = data.strays.iter().filter(|(of, _)| of == group).map(|(_, id)| ConnectionId::new(id).unwrap());
        let members: Vec<_> = ids.chain(strays).filter(|id| id.as_str() >= from).take(limit as usize).collect();
        let full = members.len() == limit as usize;
        let cursor = members.last().filter(|_| full).map(|id| registry::Cursor(id.to_string()));
        Ok(MemberPage { members, cursor })
    }

    async fn count(&self, group: &str, _: Deadline) -> Result<u64, registry::Error> {
        let data = self.data();
        Ok(data.registered.values().filter(|entry| entry.groups.iter().any(|joined| joined == group)).count() as u64)
    }
}
