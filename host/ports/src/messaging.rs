//! Messages to connections.

use async_trait::async_trait;
use tidegate_event::{ConnectionId, MAX_PAYLOAD_BYTES, Payload, Timestamp};

use crate::Deadline;

/// The maximum number of connections in one [`Messaging::send_many`] call.
pub const MAX_TARGETS: usize = 1_000;
/// The maximum number of connections that one broadcast can exclude.
pub const MAX_EXCLUDED: usize = 100;

/// The maximum number of messages that one connection can be sent during its own `$connect`.
pub const MAX_DEFERRED: usize = 64;
/// The maximum total size of these messages, in bytes: eight of the largest, as in the queue of a connected client.
pub const MAX_DEFERRED_BYTES: usize = 8 * MAX_PAYLOAD_BYTES;

/// An open connection, as API Gateway's [GetConnection] describes it.
///
/// [GetConnection]:
/// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `connectedAt`: the time when the connection was opened.
    pub connected_at: Timestamp,
    /// `lastActiveAt`: the time of the last message in either direction.
    pub last_active_at: Timestamp,
    /// `identity.sourceIp`: the client's IP address.
    pub source_ip: String,
    /// `identity.userAgent`: the client's `User-Agent` header.
    pub user_agent: Option<String>,
}

/// The error of a [`Messaging`] call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection does not exist or is closed.
    #[error("the connection is gone")]
    Gone,
    /// The backend rejects the host's credentials, for example because the role lacks a permission.
    #[error("forbidden by the backend")]
    Forbidden,
    /// An argument is not allowed. The text names the argument and the cause.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The message is larger than [`MAX_PAYLOAD_BYTES`].
    #[error("the message is too large")]
    TooLarge,
    /// The rate limit is exceeded or the client's buffer is full, and retries until the deadline failed.
    #[error("throttled")]
    Throttled,
    /// The backend failed. The message may have been delivered.
    #[error("unavailable; it is unknown whether the message was delivered")]
    Unavailable,
    /// The deadline had passed before the call. Nothing was sent.
    #[error("not attempted; the deadline came first")]
    NotAttempted,
}

/// Checks the size of a message.
///
/// # Errors
/// [`Error::TooLarge`] if the message is larger than [`MAX_PAYLOAD_BYTES`].
pub fn check_payload(data: &Payload) -> Result<(), Error> {
    if data.len() > MAX_PAYLOAD_BYTES { Err(Error::TooLarge) } else { Ok(()) }
}

/// Messages to connections: API Gateway's `@connections`, or the sockets of the local gateway.
///
/// ```
/// use tidegate_event::{ConnectionId, Payload};
/// use tidegate_ports::{Deadline, Messaging, messaging::Error};
///
/// async fn greet(port: &dyn Messaging, id: &ConnectionId, deadline: Deadline) -> Result<bool, Error> {
///     match port.send(id, &Payload::Text("hello".to_owned()), deadline).await {
///         Ok(()) => Ok(true),
///         Err(Error::Gone) => Ok(false),
///         Err(error) => Err(error),
///     }
/// }
/// ```
#[async_trait]
pub trait Messaging: Send + Sync {
    /// Sends a message. Messages of consecutive calls arrive in the order of the calls.
    ///
    /// # Errors
    /// [`Error::Gone`] if the connection does not exist, [`Error::TooLarge`] if the message is larger than
    /// [`MAX_PAYLOAD_BYTES`], and the errors of the backend.
    async fn send(&self, to: &ConnectionId, data: &Payload, deadline: Deadline) -> Result<(), Error>;

    /// Sends a message to at most [`MAX_TARGETS`] connections. The results have the order of `to`.
    async fn send_many(&self, to: &[ConnectionId], data: &Payload, deadline: Deadline) -> Vec<Result<(), Error>>;

    /// Delivers, in order, the messages that were sent to a connection during its own `$connect`. Waits at most a
    /// second for the socket to open. Returns the number of delivered messages, and drops the others.
    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], deadline: Deadline) -> usize;

    /// Describes an open connection.
    ///
    /// # Errors
    /// [`Error::Gone`] if the connection does not exist, and the errors of the backend.
    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Socket, Error>;

    /// Closes a connection. Its `$disconnect` event follows.
    ///
    /// # Errors
    /// [`Error::Gone`] if the connection does not exist, and the errors of the backend.
    async fn close(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error>;
}
