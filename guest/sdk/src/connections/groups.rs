//! Groups of connections.

use super::MAX_PAGE;
/// One page of a group's members. The cursor of the last page is none.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::connections::{self, MemberPage};
///
/// let MemberPage { members, cursor } = connections::members_page("room-rust", 100, None)?;
/// # Ok(())
/// # }
/// ```
pub use crate::bindings::route::tidegate::route::connections::MemberPage;
use crate::bindings::route::tidegate::route::connections::{self as host, Error};
use crate::pages;

/// Adds a connection to a group. The call is idempotent.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::connections::join("room-rust", connection_id)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - `NotFound` if the connection is not registered
/// - `Invalid` if it is in 50 groups already, or if the name of the group is not 1..=256 bytes
/// - `Forbidden` if no pattern of `grants.connections.groups` matches the group
pub fn join(group: &str, id: &str) -> Result<(), Error> {
    host::join(group, id)
}

/// Removes a connection from a group. The call is idempotent.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// # let connection_id = "";
/// tidegate_guest::connections::leave("room-rust", connection_id)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Forbidden` if no pattern of `grants.connections.groups` matches the group.
pub fn leave(group: &str, id: &str) -> Result<(), Error> {
    host::leave(group, id)
}

/// Returns the ids of a group's members, in any order. The iterator reads page by page.
///
/// An item is an error if its page could not be read; the iterator ends after it.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// for id in tidegate_guest::connections::members("room-rust") {
///     println!("{}", id?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn members(group: &str) -> impl Iterator<Item = Result<String, Error>> {
    pages::items(move |cursor| {
        host::members(group, MAX_PAGE, cursor.as_deref()).map(|page| (page.members, page.cursor))
    })
}

/// Reads one page of a group's members, for a client that reads page by page. `limit` is 1..=1,000.
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::connections;
///
/// let first = connections::members_page("room-rust", 100, None)?;
/// let second = connections::members_page("room-rust", 100, first.cursor.as_deref())?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Forbidden` if no pattern of `grants.connections.groups` matches the group, `Invalid` if the limit or the cursor is
/// not valid.
pub fn members_page(group: &str, limit: u32, cursor: Option<&str>) -> Result<MemberPage, Error> {
    host::members(group, limit, cursor)
}

/// Counts the members of a group. The host reads all of them, so the call costs as much as [`members`].
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// let members = tidegate_guest::connections::count("room-rust")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Forbidden` if no pattern of `grants.connections.groups` matches the group.
pub fn count(group: &str) -> Result<u64, Error> {
    host::count(group)
}
