//! A failure that the route means, with its status.

pub use crate::bindings::route::tidegate::route::types::Error;
use crate::{config, connections, messaging, storage};

impl Error {
    /// An error of that status, which is in 400..=599. On a two-way route the client reads the message.
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400: the client sent what the route cannot use.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 401: the client did not say who it is.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, message)
    }

    /// 403: the client may not do this.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// 409: another write was first.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// 500: the route, or its manifest, is wrong.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }
}

/// `Conflict` is 409, `Invalid` 400, `TooLarge` 413, `Throttled` 429, `Unavailable` 503; a missing grant, or a document
/// of another shape, is 500: neither is the client's doing.
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

/// `NotFound` is 404, `Invalid` 400, `Throttled` 429, `Unavailable` 503; a missing grant is 500.
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

/// `Gone` is 410, `Invalid` 400, `TooLarge` 413, `Throttled` 429, `Unavailable` 503; a missing grant is 500.
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

/// 500: configuration is not the client's doing.
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
    fn the_client_s_mistakes_are_400s_and_the_route_s_are_500s() {
        let of = |error: Error| error.status;
        assert_eq!(of(storage::Error::Conflict.into()), 409);
        assert_eq!(of(storage::Error::Invalid("key".into()).into()), 400);
        assert_eq!(of(storage::Error::Forbidden("rooms".into()).into()), 500);
        assert_eq!(of(storage::Error::Document("no".into()).into()), 500);
        assert_eq!(of(storage::Error::Unavailable.into()), 503);
        assert_eq!(of(connections::Error::NotFound.into()), 404);
        assert_eq!(of(connections::Error::Forbidden.into()), 500);
        assert_eq!(of(messaging::Error::Gone.into()), 410);
        assert_eq!(of(messaging::Error::TooLarge.into()), 413);
        assert_eq!(of(config::Error::Io("disk".into()).into()), 500);
    }

    #[test]
    fn a_missing_grant_names_what_to_look_at() {
        assert!(Error::from(messaging::Error::Forbidden).message.contains("grants.messaging"));
        assert!(Error::from(storage::Error::Forbidden("rooms".into())).message.contains("`rooms`"));
    }
}
