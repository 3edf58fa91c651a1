//! The registry of open connections and their groups.
//!
//! The host registers a connection before its `$connect` route runs, and removes it with its memberships after
//! `$disconnect`; a route only reads, joins and leaves.

use crate::bindings::route::tidegate::route::connections::{self as host};
pub use crate::bindings::route::tidegate::route::connections::{
    ConnectionPage, Entry, Error, MemberPage, describe, join, leave,
};
use crate::pages;
use crate::request::Connection;

/// The largest page that the host gives.
const PAGE: u32 = 1_000;

/// Sets one attribute of a connection.
///
/// # Errors
///
/// `Forbidden` without `grants.connections.attributes`, `Invalid` above 32 attributes or 4 KiB, `NotFound` when the
/// connection is not registered.
pub fn set_attribute(id: &str, name: &str, value: &str) -> Result<(), Error> {
    host::set_attributes(id, &[(name.to_owned(), Some(value.to_owned()))])
}

/// Sets several attributes at once; a value of `None` removes one.
///
/// # Errors
///
/// As [`set_attribute`].
pub fn set_attributes(id: &str, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
    let owned = |&(name, value): &(&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
    host::set_attributes(id, &changes.iter().map(owned).collect::<Vec<_>>())
}

/// The ids of a group's members, in no promised order, read page by page.
///
/// Each item is an error when its page could not be read; nothing follows it.
pub fn members(group: &str) -> impl Iterator<Item = Result<String, Error>> {
    pages::items(move |cursor| host::members(group, PAGE, cursor.as_deref()).map(|page| (page.members, page.cursor)))
}

/// One page of a group's members, for a client that pages by itself. The limit is 1..=1,000.
///
/// # Errors
///
/// `Forbidden` when no pattern of `grants.connections.groups` covers the group, `Invalid` for a limit or a cursor that
/// is not allowed.
pub fn members_page(group: &str, limit: u32, cursor: Option<&str>) -> Result<MemberPage, Error> {
    host::members(group, limit, cursor)
}

/// How many members a group has. Reads them all: costs as much as [`members`].
///
/// # Errors
///
/// `Forbidden` when no pattern of `grants.connections.groups` covers the group.
pub fn count(group: &str) -> Result<u64, Error> {
    host::count(group)
}

/// Every open connection: reads the whole registry, page by page.
///
/// Each item is an error when its page could not be read; nothing follows it.
pub fn list() -> impl Iterator<Item = Result<Connection, Error>> {
    pages::items(|cursor| host::list_connections(PAGE, cursor.as_deref()).map(|page| (page.connections, page.cursor)))
}

/// One page of the registry, for a client that pages by itself. The limit is 1..=1,000.
///
/// # Errors
///
/// `Forbidden` without `grants.connections.list`, `Invalid` for a limit or a cursor that is not allowed.
pub fn list_page(limit: u32, cursor: Option<&str>) -> Result<ConnectionPage, Error> {
    host::list_connections(limit, cursor)
}

impl Entry {
    /// An attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the connection is a member of the group.
    #[must_use]
    pub fn is_member(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}
