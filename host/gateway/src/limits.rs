//! Every number the gateway keeps to.

use std::time::Duration;

use tidegate_event::MAX_PAYLOAD_BYTES;

/// A token bucket's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that are added each second.
    pub per_second: u32,
    /// Tokens that the bucket holds.
    pub burst: u32,
}

/// What the gateway allows. The defaults are API Gateway's, except that the account's rates are off: a laptop's tests and
/// benchmarks are not an account.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest message, either way, in bytes; a larger one from a client closes its connection with 1009.
    pub message_bytes: usize,
    /// The largest frame from a client, in bytes; a larger one closes the connection with 1009.
    pub frame_bytes: usize,
    /// The longest path and query of a handshake, in characters.
    pub url_characters: usize,
    /// How long a connection may be without a frame, either way.
    pub idle: Duration,
    /// How long a connection may live.
    pub lifetime: Duration,
    /// Whether pings and pongs count as frames of an idle connection. API Gateway does not document it.
    pub pings_reset_idle: bool,
    /// How long an integration may take; API Gateway allows 50 ms to 29 s.
    pub integration: Duration,
    /// New connections; none is no limit. [`Limits::AWS_CONNECTS`] is an account's default.
    pub connects: Option<Rate>,
    /// Messages and calls of @connections, those in process included; none is no limit. [`Limits::AWS_REQUESTS`] is an
    /// account's default.
    pub requests: Option<Rate>,
    /// Bytes that may wait to be written to one client; what is sent above it is throttled. Eight of the largest messages
    /// are enough for a client that reads, and little enough that hundreds of clients that do not are harmless.
    pub queued_bytes: usize,
    /// Messages that may wait to be written to one client, since a small message costs more than its bytes.
    pub queued_messages: usize,
    /// Messages of one connection that are handled at a time; above it the gateway stops reading from that connection
    /// until one is done. API Gateway states no such limit; without one, one client could fill the memory.
    pub concurrent_messages: usize,
    /// Sockets that are open at a time, of both kinds; above it new ones are closed at once.
    pub sockets: usize,
    /// How long a client may take over the head of a request, and then over its body, and how long a kept HTTP connection
    /// may be idle.
    pub header_read: Duration,
    /// How long a closing handshake may take before the socket is dropped.
    pub close_handshake: Duration,
    /// How long a shutdown waits for closing handshakes, `$disconnect` routes and messages under way.
    pub drain: Duration,
}

impl Limits {
    /// New connections of an account: 500 a second. The burst is not documented.
    pub const AWS_CONNECTS: Rate = Rate { per_second: 500, burst: 500 };
    /// Requests of an account, callbacks included: 10,000 a second with a burst of 5,000.
    pub const AWS_REQUESTS: Rate = Rate { per_second: 10_000, burst: 5_000 };
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
            concurrent_messages: 64,
            sockets: 65_536,
            header_read: Duration::from_secs(30),
            close_handshake: Duration::from_secs(2),
            drain: Duration::from_secs(10),
        }
    }
}
