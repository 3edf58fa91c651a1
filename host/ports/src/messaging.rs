//! Messages to connections.

use async_trait::async_trait;
use tidegate_event::{ConnectionId, MAX_PAYLOAD_BYTES, Payload, Timestamp};

use crate::Deadline;

/// The most targets of one `send_many`.
pub const MAX_TARGETS: usize = 1_000;
/// The most connections that a broadcast excludes.
pub const MAX_EXCLUDED: usize = 100;

/// An open connection, as GetConnection describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `connectedAt`.
    pub connected_at: Timestamp,
    /// `lastActiveAt`.
    pub last_active_at: Timestamp,
    /// `identity.sourceIp`.
    pub source_ip: String,
    /// `identity.userAgent`.
    pub user_agent: Option<String>,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such connection, or it is closed.
    #[error("the connection is gone")]
    Gone,
    /// The backend refuses the host itself: its role lacks the permission.
    #[error("forbidden by the backend")]
    Forbidden,
    /// An argument that is not allowed; which, and why.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Above [`tidegate_event::MAX_PAYLOAD_BYTES`].
    #[error("the message is too large")]
    TooLarge,
    /// The rate, or the client's buffer, is exhausted, after the retries that the deadline allowed.
    #[error("throttled")]
    Throttled,
    /// It is unknown whether the message was delivered.
    #[error("unavailable; it is unknown whether the message was delivered")]
    Unavailable,
    /// The deadline came first; nothing was sent.
    #[error("not attempted; the deadline came first")]
    NotAttempted,
}

/// Refuses a message that API Gateway would.
///
/// # Errors
/// [`Error::TooLarge`] above [`MAX_PAYLOAD_BYTES`].
pub fn check_payload(data: &Payload) -> Result<(), Error> {
    if data.len() > MAX_PAYLOAD_BYTES { Err(Error::TooLarge) } else { Ok(()) }
}

/// Messages to connections: `@connections`, or the sockets of the gateway in process.
#[async_trait]
pub trait Messaging: Send + Sync {
    /// Sends one message. Two calls for one connection that do not overlap are delivered in their order.
    async fn send(&self, to: &ConnectionId, data: &Payload, deadline: Deadline) -> Result<(), Error>;

    /// Sends one message to at most [`MAX_TARGETS`]; results in the order of the targets.
    async fn send_many(&self, to: &[ConnectionId], data: &Payload, deadline: Deadline) -> Vec<Result<(), Error>>;

    /// Delivers, in order, what a connection was sent during its own `$connect`: waits until its socket is open, at most
    /// a second, and answers how many were delivered; the rest is dropped.
    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], deadline: Deadline) -> usize;

    /// Describes an open connection.
    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Socket, Error>;

    /// Closes a connection; its `$disconnect` follows.
    async fn close(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;
}
