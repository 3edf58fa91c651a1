//! The registry of open connections and their groups.
//!
//! The host registers a connection before its `$connect` route runs, and removes it with its memberships after
//! `$disconnect`. A route reads the registry, sets attributes, and joins and leaves groups.
//!
//! ```
//! use tidegate_guest::{Connection, Result, connections, route};
//!
//! #[route]
//! fn join(connection: &Connection, room: &str) -> Result<String> {
//!     let group = format!("room-{room}");
//!     connections::join(&group, &connection.id)?;
//!     Ok(format!("{} members", connections::count(&group)?))
//! }
//! ```

mod groups;

/// One page of the registry. The cursor of the last page is none.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::connections::{self, ConnectionPage};
///
/// let ConnectionPage { connections, cursor } = connections::list_page(100, None)?;
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::connections::ConnectionPage;
/// A registered connection with its attributes and groups.
///
/// ```
/// use tidegate_guest::connections::Entry;
///
/// fn title(entry: &Entry) -> String {
///     format!("{} in {} groups", entry.attribute("name").unwrap_or("somebody"), entry.groups.len())
/// }
/// ```
pub use crate::bindings::route::tidegate::route::connections::Entry;
/// The reason why a call failed. `?` converts it to an [`Error`](crate::Error).
///
/// ```
/// use tidegate_guest::{Error, connections};
///
/// assert_eq!(Error::from(connections::Error::NotFound).status, 404);
/// ```
pub use crate::bindings::route::tidegate::route::connections::Error;
use crate::bindings::route::tidegate::route::connections::{self as host};
use crate::pages;
use crate::request::Connection;
pub use groups::{MemberPage, count, join, leave, members, members_page};

/// The largest page that the host returns.
const MAX_PAGE: u32 = 1_000;

/// Reads the entry of one connection. The read is strongly consistent.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// let entry = tidegate_guest::connections::describe(connection_id)?;
/// assert!(entry.is_member("lobby"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `NotFound` if the connection is not registered, `Forbidden` without `grants.connections.describe`.
pub fn describe(id: &str) -> Result<Entry, Error> {
    host::describe(id)
}

/// Sets one attribute of a connection.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::connections::set_attribute(connection_id, "name", "alice")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - `NotFound` if the connection is not registered
/// - `Invalid` above 32 attributes or 4 KiB in total
/// - `Forbidden` without `grants.connections.attributes`
pub fn set_attribute(id: &str, name: &str, value: &str) -> Result<(), Error> {
    host::set_attributes(id, &[(name.to_owned(), Some(value.to_owned()))])
}

/// Sets several attributes in one call. A value of `None` removes the attribute.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::connections::set_attributes(connection_id, &[("name", Some("alice")), ("mood", None)])?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The errors of [`set_attribute`].
pub fn set_attributes(id: &str, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
    let owned = |&(name, value): &(&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
    host::set_attributes(id, &changes.iter().map(owned).collect::<Vec<_>>())
}

/// Returns all open connections. The iterator reads the whole registry, page by page.
///
/// An item is an error if its page could not be read; the iterator ends after it. The error is `Forbidden` without
/// `grants.connections.list`.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// for connection in tidegate_guest::connections::list() {
///     println!("{}", connection?.source_ip);
/// }
/// # Ok(())
/// # }
/// ```
pub fn list() -> impl Iterator<Item = Result<Connection, Error>> {
    pages::items(|cursor| {
        host::list_connections(MAX_PAGE, cursor.as_deref()).map(|page| (page.connections, page.cursor))
    })
}

/// Reads one page of the registry, for a client that reads page by page. `limit` is 1..=1,000.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// let page = tidegate_guest::connections::list_page(100, None)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Forbidden` without `grants.connections.list`, `Invalid` if the limit or the cursor is not valid.
pub fn list_page(limit: u32, cursor: Option<&str>) -> Result<ConnectionPage, Error> {
    host::list_connections(limit, cursor)
}

impl Entry {
    /// Returns the value of an attribute.
    ///
    /// ```
    /// # use tidegate_guest::connections::Entry;
    /// fn name(entry: &Entry) -> &str {
    ///     entry.attribute("name").unwrap_or("somebody")
    /// }
    /// ```
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns true if the connection is a member of the group.
    ///
    /// ```
    /// # use tidegate_guest::{Error, Result, connections::Entry};
    /// fn check(entry: &Entry) -> Result<()> {
    ///     if entry.is_member("room-rust") { Ok(()) } else { Err(Error::forbidden("join the room first")) }
    /// }
    /// ```
    #[must_use]
    pub fn is_member(&self, group: &str) -> bool {
        self.groups.iter().any(|name| name == group)
    }
}
