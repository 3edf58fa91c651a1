//! The limits of the gateway, and the reasons for their numbers.

use std::time::Duration;

use tidegate_event::MAX_PAYLOAD_BYTES;
use tidegate_ports::{MemoryBudget, OutOfMemory, Reservation};

use crate::outbox::Room;

/// The bytes of a call without the body of its message.
const CALL_BYTES: usize = 4 << 10;
/// The bytes of an open socket: its task, its buffers for reading and writing, and its HTTP or WebSocket state.
/// Measured for idle connections, and rounded up.
pub(crate) const SOCKET_BYTES: usize = 16 << 10;

/// The parameters of a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of tokens added per second.
    pub per_second: u32,
    /// The maximum number of tokens in the bucket.
    pub burst: u32,
}

/// The limits of a gateway. The defaults are API Gateway's, except that the rate limits of an account are off, because
/// tests and benchmarks on one machine exceed them.
///
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
#[derive(Debug, Clone)]
pub struct Limits {
    /// The maximum size of a message in either direction, in bytes. A larger message from a client closes its
    /// connection with 1009.
    pub message_bytes: usize,
    /// The maximum size of a frame from a client, in bytes. A larger data frame closes the connection with 1009. A
    /// control frame above 125 bytes closes it with 1002, regardless of this limit (RFC 6455 section 5.5).
    pub frame_bytes: usize,
    /// The maximum length of a handshake's path and query, in characters.
    pub url_characters: usize,
    /// The maximum time without a frame in either direction.
    pub idle: Duration,
    /// The maximum lifetime of a connection.
    pub lifetime: Duration,
    /// True if pings and pongs keep a connection from being idle. API Gateway does not document its behaviour.
    pub pings_reset_idle: bool,
    /// The integration timeout. API Gateway allows 50 ms to 29 s.
    pub integration: Duration,
    /// The rate limit of new connections. `None` means no limit. [`Limits::AWS_CONNECTS`] is the default of an account.
    pub connects: Option<Rate>,
    /// The rate limit of messages and of calls to `@connections`, in-process calls included. `None` means no limit.
    /// [`Limits::AWS_REQUESTS`] is the default of an account.
    pub requests: Option<Rate>,
    /// The maximum number of bytes waiting to be written to one client. Further messages are throttled. The socket's
    /// write buffer has at most 48 KiB more, pongs included. The default is
    /// eight of the largest messages: enough for a client that reads, and small enough that hundreds of clients that do
    /// not read are harmless.
    pub queued_bytes: usize,
    /// The maximum number of messages waiting to be written to one client. A small message takes more memory than its
    /// bytes.
    pub queued_messages: usize,
    /// The maximum number of concurrent messages of one connection. At the limit, the gateway stops reading from the
    /// connection until a message is done. API Gateway documents no such limit. Without one, a client could exhaust the
    /// memory and the slots of the host.
    pub concurrent_messages: usize,
    /// The maximum number of open sockets, WebSocket and HTTP together. Further sockets are closed immediately.
    pub sockets: usize,
    /// The memory budget of sockets, queued messages and calls under way. Sockets and messages that do not fit are
    /// refused.
    pub memory: MemoryBudget,
    /// The time after which a client is gone that acknowledges no data, no probe of an idle connection, and no probe of
    /// its full receive buffer. 1 min is longer than the handover of a phone between networks.
    pub unresponsive: Duration,
    /// The maximum time for the head of a request, for its body, and between two requests on an HTTP connection.
    pub header_read: Duration,
    /// The maximum time for a closing handshake. The socket is dropped afterwards.
    pub close_handshake: Duration,
    /// The maximum time that a shutdown waits for closing handshakes, `$disconnect` routes and messages in progress.
    pub drain: Duration,
}

impl Limits {
    /// The rate of new connections of an account: 500 per second. AWS does not document the burst.
    pub const AWS_CONNECTS: Rate = Rate { per_second: 500, burst: 500 };
    /// The rate of requests of an account, callbacks included: 10,000 per second with a burst of 5,000.
    pub const AWS_REQUESTS: Rate = Rate { per_second: 10_000, burst: 5_000 };

    /// Reserves the memory of one call: its event, the event as the host decodes it, and the state of the call.
    pub(crate) fn call_memory(&self, body: usize) -> Result<Reservation, OutOfMemory> {
        self.memory.try_reserve(CALL_BYTES + 2 * body)
    }

    /// Returns the capacity of one client's outbox.
    pub(crate) fn room(&self) -> Room {
        Room { bytes: self.queued_bytes, messages: self.queued_messages }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: MAX_PAYLOAD_BYTES,
            frame_bytes: 32 << 10,
            url_characters: 4_096,
            idle: Duration::from_secs(600),
            lifetime: Duration::from_secs(7_200),
            pings_reset_idle: false,
            integration: Duration::from_secs(29),
            connects: None,
            requests: None,
            queued_bytes: 8 * MAX_PAYLOAD_BYTES,
            queued_messages: 1_024,
            concurrent_messages: 16,
            sockets: 65_536,
            memory: MemoryBudget::unlimited(),
            unresponsive: Duration::from_secs(60),
            header_read: Duration::from_secs(30),
            close_handshake: Duration::from_secs(2),
            drain: Duration::from_secs(10),
        }
    }
}
