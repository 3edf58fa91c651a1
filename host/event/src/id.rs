//! Newtypes for the ids and names of an event.

use std::borrow::Borrow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The longest connection id, in bytes, that Tidegate accepts. API Gateway's have 16 at present.
pub const MAX_CONNECTION_ID_BYTES: usize = 64;

/// A string that is not the id or name it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The id is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// The id is longer than its limit.
    #[error("the {what} has {length} bytes, above its limit of {limit}")]
    TooLong {
        /// What kind of id it is.
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
            #[doc = concat!("A ", $what, " from its text.")]
            ///
            /// # Errors
            /// When the text is empty or above its limit.
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

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Its order and its hash are the text's, so that a map of ids can be asked by text.
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
    /// The id of one WebSocket connection: opaque, base64-like, unique within an API.
    ConnectionId,
    "connection id",
    MAX_CONNECTION_ID_BYTES
);
string_id!(
    /// API Gateway's `requestId` of one event.
    RequestId,
    "request id",
    128
);
string_id!(
    /// API Gateway's `messageId` of one message.
    MessageId,
    "message id",
    128
);
string_id!(
    /// A route key: `$connect`, `$disconnect`, `$default` or one of the app's own.
    RouteKey,
    "route key",
    128
);

impl RouteKey {
    /// The route of the handshake.
    pub const CONNECT: &str = "$connect";
    /// The route of a closed connection.
    pub const DISCONNECT: &str = "$disconnect";
    /// The route of a message that no other route matches.
    pub const DEFAULT: &str = "$default";
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time of the system's clock; the epoch if the clock is before it.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// This time in milliseconds since the epoch.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// This time in whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// This time later by `duration`, at most the largest representable time.
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
