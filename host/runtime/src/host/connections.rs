//! `tidegate:route/connections`: the registry.

use tidegate_capability::grants::{ConnectionsGrant, Scope};
use tidegate_capability::registry::{
    self, Cursor, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MAX_GROUP_BYTES, MAX_PAGE_LIMIT,
};
use tidegate_event::ConnectionId;
use wasmtime::Result;

use super::{at_most, connection_id, page_limit};
use crate::bindings::tidegate::route::connections::{ConnectionPage, Entry, Error, Host, MemberPage};
use crate::convert;
use crate::state::State;

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
    async fn describe(&mut self, id: String) -> Outcome<Entry> {
        self.charge(id.len())?;
        attempt!(self.connections(|grant| grant.describe));
        let id = attempt!(connection_id(id));
        let entry = attempt!(self.ports.registry.describe(&id, self.deadline).await);
        let connection = convert::connection(entry.connection);
        Ok(Ok(Entry { connection, attributes: entry.attributes, groups: entry.groups }))
    }

    async fn set_attributes(&mut self, id: String, changes: Vec<(String, Option<String>)>) -> Outcome<()> {
        let bytes = changes.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum();
        self.charge(id.len() + bytes)?;
        let id = attempt!(connection_id(id));
        let own = id == *self.own();
        attempt!(self.connections(|grant| match grant.attributes {
            Some(Scope::Any) => true,
            Some(Scope::Own) => own,
            None => false,
        }));
        attempt!(at_most("attributes", changes.len(), MAX_ATTRIBUTES));
        attempt!(at_most("bytes of attributes", bytes, MAX_ATTRIBUTE_BYTES));
        attempt!(self.ports.registry.set_attributes(&id, &changes, self.deadline).await);
        Ok(Ok(()))
    }

    async fn list_connections(&mut self, limit: u32, cursor: Option<String>) -> Outcome<ConnectionPage> {
        self.charge(cursor.as_ref().map_or(0, String::len))?;
        attempt!(self.connections(|grant| grant.list));
        attempt!(page_limit(limit, MAX_PAGE_LIMIT));
        let cursor = cursor.map(Cursor);
        let page = attempt!(self.ports.registry.list(limit, cursor.as_ref(), self.deadline).await);
        let connections: Vec<_> = page.connections.into_iter().map(convert::connection).collect();
        self.charge(connections.len() * size_of::<crate::bindings::tidegate::route::types::Connection>())?;
        Ok(Ok(ConnectionPage { connections, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    async fn join(&mut self, group: String, id: String) -> Outcome<()> {
        self.charge(group.len() + id.len())?;
        attempt!(self.group(&group));
        let id = attempt!(connection_id(id));
        attempt!(self.ports.registry.join(&group, &id, self.deadline).await);
        Ok(Ok(()))
    }

    async fn leave(&mut self, group: String, id: String) -> Outcome<()> {
        self.charge(group.len() + id.len())?;
        attempt!(self.group(&group));
        let id = attempt!(connection_id(id));
        attempt!(self.ports.registry.leave(&group, &id, self.deadline).await);
        Ok(Ok(()))
    }

    async fn members(&mut self, group: String, limit: u32, cursor: Option<String>) -> Outcome<MemberPage> {
        self.charge(group.len() + cursor.as_ref().map_or(0, String::len))?;
        attempt!(self.group(&group));
        attempt!(page_limit(limit, MAX_PAGE_LIMIT));
        let cursor = cursor.map(Cursor);
        let page = attempt!(self.ports.registry.members(&group, limit, cursor.as_ref(), self.deadline).await);
        self.charge(page.members.iter().map(|id| id.as_str().len()).sum())?;
        let members = page.members.into_iter().map(ConnectionId::into).collect();
        Ok(Ok(MemberPage { members, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    async fn count(&mut self, group: String) -> Outcome<u64> {
        self.charge(group.len())?;
        attempt!(self.group(&group));
        Ok(Ok(attempt!(self.ports.registry.count(&group, self.deadline).await)))
    }
}

impl State {
    fn connections(&self, allows: impl FnOnce(&ConnectionsGrant) -> bool) -> std::result::Result<(), Error> {
        if self.route.grants.connections.as_ref().is_some_and(allows) { Ok(()) } else { Err(Error::Forbidden) }
    }

    fn group(&self, group: &str) -> std::result::Result<(), Error> {
        self.connections(|grant| grant.groups.iter().any(|pattern| pattern.matches(group)))?;
        check_group(group).map_err(Error::Invalid)
    }
}

/// Checks a group's name; a pattern may cover names that are too long or empty.
pub(super) fn check_group(group: &str) -> std::result::Result<(), String> {
    if group.is_empty() {
        return Err("the group's name is empty".to_owned());
    }
    at_most("bytes of a group's name", group.len(), MAX_GROUP_BYTES)
}

impl From<String> for Error {
    fn from(problem: String) -> Self {
        Self::Invalid(problem)
    }
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Invalid(problem) => Self::Invalid(problem),
            registry::Error::NotFound => Self::NotFound,
            registry::Error::Throttled => Self::Throttled,
            _ => Self::Unavailable,
        }
    }
}
