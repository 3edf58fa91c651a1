//! The failure that a route returns, and its status.
//!
//! `?` converts the errors of [`storage`], [`connections`], [`messaging`] and [`config`]. A mistake of the client
//! becomes a status in 400..=499. A mistake of the route or its manifest, such as a missing grant, becomes 500.
//!
//! ```no_run
//! use tidegate_guest::storage::{Collection, Key};
//! use tidegate_guest::{Error, Result, route};
//!
//! #[route]
//! fn topic(room: &str) -> Result<String> {
//!     let rooms = Collection::open("rooms")?;
//!     let item = rooms.get::<String>(&Key::new("room", room))?;
//!     let item = item.ok_or_else(|| Error::not_found(format!("there is no room `{room}`")))?;
//!     Ok(item.document)
//! }
//! ```

/// A failure that a route returns. It is not a trap: the host sends the message to the client of a two-way route and
/// logs it, as a warning below 500 and as an error from 500.
///
/// ```
/// use tidegate_guest::Error;
///
/// let error = Error { status: 418, message: "no coffee".into() };
/// assert_eq!(error, Error::new(418, "no coffee"));
/// ```
pub use crate::bindings::route::tidegate::route::types::Error;
use crate::{config, connections, messaging, storage};

impl Error {
    /// Makes an error with a status in 400..=599.
    ///
    /// ```
    /// let error = tidegate_guest::Error::new(429, "one message a second, please");
    /// assert_eq!(error.status, 429);
    /// ```
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// Makes an error with status 400: the route cannot use the client's message.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::bad_request("`text` is empty").status, 400);
    /// ```
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// Makes an error with status 401: the client is not authenticated.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::unauthorized("log in first").status, 401);
    /// ```
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, message)
    }

    /// Makes an error with status 403: the client has no permission.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::forbidden("join the room first").status, 403);
    /// ```
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// Makes an error with status 404: the requested object does not exist.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::not_found("there is no room `rust`").status, 404);
    /// ```
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// Makes an error with status 409: another write happened first.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::conflict("the seat is taken").status, 409);
    /// ```
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// Makes an error with status 500: the route or its manifest has a fault.
    ///
    /// ```
    /// assert_eq!(tidegate_guest::Error::internal("the room has no owner").status, 500);
    /// ```
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }
}

/// `Conflict` becomes 409, `Invalid` 400, `TooLarge` 413, `Throttled` 429 and `Unavailable` 503. `Forbidden` and
/// `Document` become 500, because the client did not cause them.
impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        let status = match &error {
            storage::Error::Invalid(_) => 400,
            storage::Error::Conflict => 409,
            storage::Error::TooLarge => 413,
            storage::Error::Throttled => 429,
            storage::Error::Forbidden(_) | storage::Error::Document(_) => 500,
            storage::Error::Unavailable => 503,
        };
        Self::new(status, error.to_string())
    }
}

/// `NotFound` becomes 404, `Invalid` 400, `Throttled` 429, `Unavailable` 503 and `Forbidden` 500.
impl From<connections::Error> for Error {
    fn from(error: connections::Error) -> Self {
        match error {
            connections::Error::Forbidden => Self::internal(ungranted("grants.connections")),
            connections::Error::Invalid(reason) => Self::bad_request(reason),
            connections::Error::NotFound => Self::not_found("the connection is not registered"),
            connections::Error::Throttled => Self::new(429, "the connection registry is throttled"),
            connections::Error::Unavailable => Self::new(503, "the connection registry is unavailable"),
        }
    }
}

/// `Gone` becomes 410, `Invalid` 400, `TooLarge` 413, `Throttled` 429, `Unavailable` 503 and `Forbidden` 500.
impl From<messaging::Error> for Error {
    fn from(error: messaging::Error) -> Self {
        match error {
            messaging::Error::Gone => Self::new(410, "the connection is gone"),
            messaging::Error::Forbidden => Self::internal(ungranted("grants.messaging")),
            messaging::Error::Invalid(reason) => Self::bad_request(reason),
            messaging::Error::TooLarge => Self::new(413, "the message is above 131,072 bytes"),
            messaging::Error::Throttled => Self::new(429, "messaging is throttled"),
            messaging::Error::Unavailable => Self::new(503, "messaging is unavailable"),
        }
    }
}

/// Each error becomes 500, because the client did not cause it.
impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        let (config::Error::Upstream(reason) | config::Error::Io(reason)) = error;
        Self::internal(format!("cannot read the configuration: {reason}"))
    }
}

fn ungranted(table: &str) -> String {
    format!("the route is not granted this call; see `{table}` in tidegate.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_mistakes_are_400s_and_route_mistakes_are_500s() {
        let status = |error: Error| error.status;
        assert_eq!(status(storage::Error::Conflict.into()), 409);
        assert_eq!(status(storage::Error::Invalid("key".into()).into()), 400);
        assert_eq!(status(storage::Error::Forbidden("rooms".into()).into()), 500);
        assert_eq!(status(storage::Error::Document("no".into()).into()), 500);
        assert_eq!(status(storage::Error::Unavailable.into()), 503);
        assert_eq!(status(connections::Error::NotFound.into()), 404);
        assert_eq!(status(connections::Error::Forbidden.into()), 500);
        assert_eq!(status(messaging::Error::Gone.into()), 410);
        assert_eq!(status(messaging::Error::TooLarge.into()), 413);
        assert_eq!(status(config::Error::Io("disk".into()).into()), 500);
    }

    #[test]
    fn missing_grant_names_its_manifest_key() {
        assert!(Error::from(messaging::Error::Forbidden).message.contains("grants.messaging"));
        assert!(Error::from(storage::Error::Forbidden("rooms".into())).message.contains("`rooms`"));
    }
}
