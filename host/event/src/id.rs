//! Newtypes for the ids and names in an event.

use std::borrow::Borrow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The maximum length of a connection id, in bytes. API Gateway's ids currently have 16 bytes.
pub const MAX_CONNECTION_ID_BYTES: usize = 64;

/// A string that is not a valid id or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The id is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// The id is longer than its limit.
    #[error("the {what} has {length} bytes, above its limit of {limit}")]
    TooLong {
        /// The kind of id, for example `connection id`.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Creates a ", $what, ".")]
            ///
            /// # Errors
            /// [`IdError`] if the text is empty or longer than its limit.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if text.is_empty() {
                    return Err(IdError::Empty($what));
                }
                if text.len() > $limit {
                    return Err(IdError::TooLong { what: $what, length: text.len(), limit: $limit });
                }
                Ok(Self(text))
            }

            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Order and hash are those of the text, so a map keyed by ids supports lookup by text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

string_id!(
    /// The `connectionId` of a WebSocket connection: opaque, unique within an API, at most 64 bytes.
    ConnectionId,
    "connection id",
    MAX_CONNECTION_ID_BYTES
);
string_id!(
    /// The `requestId` of an event, at most 128 bytes.
    RequestId,
    "request id",
    128
);
string_id!(
    /// The `messageId` of a message, at most 128 bytes.
    MessageId,
    "message id",
    128
);
string_id!(
    /// A route key, at most 128 bytes: `$connect`, `$disconnect`, `$default` or a key of the app.
    RouteKey,
    "route key",
    128
);

impl RouteKey {
    /// The route for a handshake.
    pub const CONNECT: &str = "$connect";
    /// The route for a closed connection.
    pub const DISCONNECT: &str = "$disconnect";
    /// The route for a message that selects no other route.
    pub const DEFAULT: &str = "$default";
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the system clock's time, or the epoch if the clock is set before the epoch.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns the time `duration` later, or the maximum time if the result overflows.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
