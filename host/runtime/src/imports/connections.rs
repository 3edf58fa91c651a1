//! `tidegate:route/connections`: the registry of open connections.

use std::sync::Arc;

use tidegate_app::grants::{ConnectionsGrant, Scope};
use tidegate_event::{Connection, ConnectionId};
use tidegate_ports::Registry;
use tidegate_ports::registry::{self, Cursor, check_attribute_changes, check_cursor, check_group, check_page_limit};
use wasmtime::Result;

use super::{connection_id, size_of_fields};
use crate::bindings::tidegate::route::connections::{ConnectionPage, Entry, Error, Host, MemberPage};
use crate::convert;
use crate::state::State;

/// The number of rows of a page above which a call is offloaded.
const MANY_ROWS: u32 = 64;

type Outcome<T> = Result<std::result::Result<T, Error>>;

impl Host for State {
    async fn describe(&mut self, id: String) -> Outcome<Entry> {
        self.charge(id.len())?;
        attempt!(self.connections(|grant| grant.describe));
        let id = attempt!(connection_id(id));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.describe(&id, deadline).await };
        let entry = attempt!(self.event.database_call(false, call).await);
        let groups: usize = entry.groups.iter().map(String::len).sum();
        self.charge(size_of_connection(&entry.connection) + size_of_fields(&entry.attributes) + groups)?;
        let connection = convert::connection(entry.connection);
        Ok(Ok(Entry { connection, attributes: entry.attributes, groups: entry.groups }))
    }

    async fn set_attributes(&mut self, id: String, changes: Vec<(String, Option<String>)>) -> Outcome<()> {
        let bytes: usize = changes.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum();
        self.charge(id.len() + bytes)?;
        attempt!(check_attribute_changes(&changes));
        let id = attempt!(connection_id(id));
        let own = id == *self.own_connection();
        attempt!(self.connections(|grant| match grant.attributes {
            Some(Scope::Any) => true,
            Some(Scope::Own) => own,
            None => false,
        }));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.set_attributes(&id, &changes, deadline).await };
        attempt!(self.event.database_call(false, call).await);
        Ok(Ok(()))
    }

    async fn list_connections(&mut self, limit: u32, cursor: Option<String>) -> Outcome<ConnectionPage> {
        self.charge(cursor.as_ref().map_or(0, String::len))?;
        attempt!(self.connections(|grant| grant.list));
        attempt!(check_page_limit(limit));
        let cursor = cursor.map(Cursor);
        attempt!(check_cursor(cursor.as_ref()));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.list(limit, cursor.as_ref(), deadline).await };
        let page = attempt!(self.event.database_call(limit > MANY_ROWS, call).await);
        self.charge(page.connections.iter().map(size_of_connection).sum())?;
        let connections = page.connections.into_iter().map(convert::connection).collect();
        Ok(Ok(ConnectionPage { connections, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    async fn join(&mut self, group: String, id: String) -> Outcome<()> {
        self.charge(group.len() + id.len())?;
        attempt!(self.group(&group));
        let id = attempt!(connection_id(id));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.join(&group, &id, deadline).await };
        attempt!(self.event.database_call(false, call).await);
        Ok(Ok(()))
    }

    async fn leave(&mut self, group: String, id: String) -> Outcome<()> {
        self.charge(group.len() + id.len())?;
        attempt!(self.group(&group));
        let id = attempt!(connection_id(id));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.leave(&group, &id, deadline).await };
        attempt!(self.event.database_call(false, call).await);
        Ok(Ok(()))
    }

    async fn members(&mut self, group: String, limit: u32, cursor: Option<String>) -> Outcome<MemberPage> {
        self.charge(group.len() + cursor.as_ref().map_or(0, String::len))?;
        attempt!(self.group(&group));
        attempt!(check_page_limit(limit));
        let cursor = cursor.map(Cursor);
        attempt!(check_cursor(cursor.as_ref()));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        let call = async move { registry.members(&group, limit, cursor.as_ref(), deadline).await };
        let page = attempt!(self.event.database_call(limit > MANY_ROWS, call).await);
        self.charge(page.members.iter().map(|id| id.as_str().len()).sum())?;
        let members = page.members.into_iter().map(ConnectionId::into).collect();
        Ok(Ok(MemberPage { members, cursor: page.cursor.map(|cursor| cursor.0) }))
    }

    async fn count(&mut self, group: String) -> Outcome<u64> {
        self.charge(group.len())?;
        attempt!(self.group(&group));
        let registry = attempt!(self.registry());
        let deadline = self.event.port_deadline;
        // This reads all members, of which there may be many.
        let call = async move { registry.count(&group, deadline).await };
        Ok(Ok(attempt!(self.event.database_call(true, call).await)))
    }
}

impl State {
    fn registry(&self) -> std::result::Result<Arc<dyn Registry>, Error> {
        self.event.ports.registry().cloned().ok_or(Error::Unavailable)
    }

    fn connections(&self, allows: impl FnOnce(&ConnectionsGrant) -> bool) -> std::result::Result<(), Error> {
        if self.permissions.grants.connections.as_ref().is_some_and(allows) { Ok(()) } else { Err(Error::Forbidden) }
    }

    fn group(&self, group: &str) -> std::result::Result<(), Error> {
        self.connections(|grant| grant.groups.iter().any(|pattern| pattern.matches(group)))?;
        // A pattern also matches names that are empty or too long.
        Ok(check_group(group)?)
    }
}

/// Returns the bytes that a connection takes from the budget for host calls: its record and its text.
fn size_of_connection(connection: &Connection) -> usize {
    let Connection { id, connected_at: _, source_ip, user_agent, domain_name, stage, principal, context } = connection;
    let optional = [user_agent, principal].into_iter().flatten().map(String::len).sum::<usize>();
    let text = id.as_str().len() + source_ip.len() + domain_name.len() + stage.len() + optional;
    size_of::<Connection>() + text + size_of_fields(context)
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
