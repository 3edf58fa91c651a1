//! The errors of storage calls.

use crate::bindings::route::tidegate::route::storage as host;

/// The reason why a call failed. `?` converts it to an [`Error`](crate::Error).
///
/// ```no_run
/// # fn main() -> tidegate_guest::Result<()> {
/// use tidegate_guest::json;
/// use tidegate_guest::storage::{Collection, Condition, Error, Key};
///
/// let seats = Collection::open("seats")?;
/// match seats.put_with(&Key::new("room", "seat-7"), &json!({ "by": "alice" }), Condition::Absent) {
///     Err(Error::Conflict) => println!("the seat is taken"),
///     written => drop(written?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The route has no grant for this collection, or not for this operation. Contains the collection's name.
    #[error("the route is not granted this use of the collection `{0}`; see `grants.storage` in tidegate.toml")]
    Forbidden(String),
    /// A key, document, path, limit or cursor is not valid. Contains the argument and the reason.
    #[error("{0}")]
    Invalid(String),
    /// The condition does not hold, or another write happened first.
    #[error("another write was first")]
    Conflict,
    /// A document is above 400 KB, a request is above its limit, or a read is above the bytes that the event may still
    /// transfer.
    #[error("the document is too large")]
    TooLarge,
    /// The host has retried within the deadline. The route should not retry at once.
    #[error("storage is throttled")]
    Throttled,
    /// The outcome of a write is unknown.
    #[error("storage is unavailable")]
    Unavailable,
    /// A stored document does not have the type that the route asked for, or a value cannot be written as JSON.
    #[error("{0}")]
    Document(String),
}

impl Error {
    pub(super) fn from_host(collection: &str, error: host::Error) -> Self {
        match error {
            host::Error::Forbidden => Self::Forbidden(collection.to_owned()),
            host::Error::Invalid(reason) => Self::Invalid(reason),
            host::Error::Conflict => Self::Conflict,
            host::Error::TooLarge => Self::TooLarge,
            host::Error::Throttled => Self::Throttled,
            host::Error::Unavailable => Self::Unavailable,
        }
    }
}
