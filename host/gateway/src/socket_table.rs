//! The open sockets, and the `Messaging` port.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{ConnectionId, Payload, Timestamp};
use tidegate_ports::messaging::{Error, MAX_TARGETS, Socket};
use tidegate_ports::{Deadline, MemoryBudget, Messaging};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::closing::Close;
use crate::limits::Limits;
use crate::outbox::{Outbox, Phase, frame_of};
use crate::throttle::Throttle;

/// The maximum time that deferred messages wait for the connection's socket, as the port specifies.
const OPENING: Duration = Duration::from_secs(1);
/// The number of messages to queue before other tasks run.
const SEND_BATCH: usize = 128;

/// The open sockets of a gateway. Through [`Messaging`], a host in the same process sends messages without HTTP.
///
/// The table's [`Gateway`](crate::Gateway) uses the limits and the clock of the table.
pub struct SocketTable {
    open: RwLock<HashMap<ConnectionId, Arc<Peer>>>,
    limits: Limits,
    clock: Clock,
    requests: Throttle,
}

/// One connection, from the start of its handshake until it is closed.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) connected_at: Timestamp,
    pub(crate) source_ip: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) outbox: Outbox,
    /// Cancelled once the client has left.
    pub(crate) departed: CancellationToken,
    /// The start of the handshake, by the gateway's clock.
    pub(crate) created: Duration,
    /// The time of the last frame in either direction, in milliseconds of the gateway's clock.
    active: AtomicU64,
}

impl SocketTable {
    /// Creates an empty table.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Arc<Self> {
        let requests = Throttle::new(limits.requests);
        Arc::new(Self { open: RwLock::default(), limits, clock, requests })
    }

    /// Returns the number of connections that are open or in their handshake.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers().len()
    }

    /// Returns true if no connection is open or in its handshake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the ids of the connections that are open or in their handshake, in no particular order.
    #[must_use]
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.peers().keys().cloned().collect()
    }

    /// Adds a connection whose handshake begins. Dropping the entry removes the connection.
    pub(crate) fn insert(self: &Arc<Self>, peer: Peer) -> Entry {
        let peer = Arc::new(peer);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(peer.id.clone(), Arc::clone(&peer));
        Entry { peer, table: Arc::clone(self) }
    }

    /// Returns every connection in any phase.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers().values().cloned().collect()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    fn peers(&self) -> RwLockReadGuard<'_, HashMap<ConnectionId, Arc<Peer>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection with this id. The connection may still be in its handshake.
    pub(crate) fn peer(&self, id: &ConnectionId) -> Result<Arc<Peer>, Error> {
        self.peers().get(id).cloned().ok_or(Error::Gone)
    }

    /// Checks the deadline and the account's rate limit before a call.
    fn admit_call(&self, deadline: Deadline) -> Result<(), Error> {
        if deadline.has_passed() {
            return Err(Error::NotAttempted);
        }
        self.admit_request()
    }

    /// Counts a request against the account's rate limit. Fails with `Throttled` if the limit is exceeded.
    pub(crate) fn admit_request(&self) -> Result<(), Error> {
        if self.requests.admit(|| self.clock.elapsed()) { Ok(()) } else { Err(Error::Throttled) }
    }

    /// Sends one frame to a connection.
    pub(crate) fn post(&self, id: &ConnectionId, message: Message) -> Result<(), Error> {
        if message.len() > self.limits.message_bytes {
            return Err(Error::TooLarge);
        }
        let peer = self.peer(id)?;
        peer.outbox.send(message, self.limits.room(), None)
    }

    /// Describes an open connection.
    pub(crate) fn socket(&self, id: &ConnectionId) -> Result<Socket, Error> {
        let peer = self.peer(id)?;
        if peer.outbox.phase() != Phase::Open {
            return Err(Error::Gone);
        }
        let idle = self.clock.elapsed().saturating_sub(peer.active());
        let last = self.clock.now().millis().saturating_sub(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        Ok(Socket {
            connected_at: peer.connected_at,
            last_active_at: Timestamp(last.max(peer.connected_at.millis())),
            source_ip: peer.source_ip.clone(),
            user_agent: peer.user_agent.clone(),
        })
    }

    /// Closes an open connection, like DELETE on `@connections`.
    pub(crate) fn delete(&self, id: &ConnectionId) -> Result<(), Error> {
        let peer = self.peer(id)?;
        if peer.outbox.phase() == Phase::Open && peer.outbox.close(Close::DELETED) { Ok(()) } else { Err(Error::Gone) }
    }
}

impl Peer {
    pub(crate) fn new(
        id: ConnectionId,
        source_ip: String,
        user_agent: Option<String>,
        clock: &Clock,
        memory: &MemoryBudget,
    ) -> Self {
        let created = clock.elapsed();
        Self {
            id,
            connected_at: clock.now(),
            source_ip,
            user_agent,
            outbox: Outbox::new(memory),
            departed: CancellationToken::new(),
            created,
            active: AtomicU64::new(millis(created)),
        }
    }

    /// Records a frame in either direction at `now`.
    pub(crate) fn touch(&self, now: Duration) {
        self.active.store(millis(now), Ordering::Relaxed);
    }

    /// Returns the time of the last frame in either direction.
    pub(crate) fn active(&self) -> Duration {
        Duration::from_millis(self.active.load(Ordering::Relaxed))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The entry of a connection in the table.
pub(crate) struct Entry {
    pub(crate) peer: Arc<Peer>,
    table: Arc<SocketTable>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.open.write().unwrap_or_else(PoisonError::into_inner).remove(&self.peer.id);
        drop(self.peer.outbox.shut());
    }
}

/// Returns the frame of a message. Its bytes are copied once, no matter how many connections share the frame.
fn message_of(data: &Payload) -> Message {
    match data {
        Payload::Text(text) => Message::text(text.as_str()),
        Payload::Binary(bytes) => frame_of(Bytes::copy_from_slice(bytes)),
    }
}

#[async_trait]
impl Messaging for SocketTable {
    async fn send(&self, to: &ConnectionId, data: &Payload, deadline: Deadline) -> Result<(), Error> {
        self.admit_call(deadline)?;
        if data.len() > self.limits.message_bytes {
            return Err(Error::TooLarge);
        }
        self.post(to, message_of(data))
    }

    async fn send_many(&self, to: &[ConnectionId], data: &Payload, deadline: Deadline) -> Vec<Result<(), Error>> {
        let refusal = if to.len() > MAX_TARGETS {
            Some(Error::Invalid(format!("{} targets, above the limit of {MAX_TARGETS}", to.len())))
        } else if data.len() > self.limits.message_bytes {
            Some(Error::TooLarge)
        } else if deadline.has_passed() {
            Some(Error::NotAttempted)
        } else {
            None
        };
        if let Some(error) = refusal {
            return vec![Err(error); to.len()];
        }
        // Fan-out that does not fit into the memory budget is throttled.
        let shared = match self.limits.memory.try_reserve(data.len()) {
            Ok(memory) if to.len() > 1 => Some(Arc::new(memory)),
            Ok(_) => None,
            Err(_) => return vec![Err(Error::Throttled); to.len()],
        };
        let message = message_of(data);
        let room = self.limits.room();
        // The lock is held only for the lookup, and not while the connections' tasks are woken.
        let peers: Vec<Option<Arc<Peer>>> = {
            let open = self.peers();
            to.iter().map(|id| open.get(id).cloned()).collect()
        };
        let mut sent = Vec::with_capacity(peers.len());
        for (index, peer) in peers.into_iter().enumerate() {
            if index > 0 && index.is_multiple_of(SEND_BATCH) {
                tokio::task::yield_now().await;
            }
            let deliver = || {
                self.admit_request()?;
                peer.ok_or(Error::Gone)?.outbox.send(message.clone(), room, shared.clone())
            };
            sent.push(deliver());
        }
        sent
    }

    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], deadline: Deadline) -> usize {
        let Ok(peer) = self.peer(to) else { return 0 };
        let timeout = OPENING.min(deadline.remaining());
        if tokio::time::timeout(timeout, peer.outbox.handshake_over()).await.is_err() {
            return 0;
        }
        for (delivered, data) in messages.iter().enumerate() {
            let sent = async {
                let allowed = data.len() <= self.limits.message_bytes;
                allowed && peer.outbox.send_when_room(message_of(data), self.limits.room()).await.is_ok()
            };
            // After a message that cannot be delivered, later messages are not sent either, so the order is kept.
            if tokio::time::timeout(deadline.remaining(), sent).await != Ok(true) {
                return delivered;
            }
        }
        messages.len()
    }

    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Socket, Error> {
        self.admit_call(deadline)?;
        self.socket(id)
    }

    async fn close(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        self.admit_call(deadline)?;
        self.delete(id)
    }
}
