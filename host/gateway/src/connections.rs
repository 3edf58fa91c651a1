//! The open sockets; the `Messaging` port.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{ConnectionId, Payload, Timestamp};
use tidegate_ports::messaging::{Error, MAX_TARGETS, Socket};
use tidegate_ports::{Deadline, Messaging};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::clock::Clock;
use crate::closing::Close;
use crate::ids::Ids;
use crate::limits::Limits;
use crate::outbox::{Outbox, Phase, Room, frame_of};
use crate::throttle::Throttle;

/// How long deferred messages wait for their connection's socket: what the port promises.
const OPENING: Duration = Duration::from_secs(1);

/// The open sockets of a gateway. It implements [`Messaging`], so that a host in the same process sends without HTTP.
pub struct Connections {
    open: RwLock<HashMap<ConnectionId, Arc<Peer>>>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) requests: Throttle,
    pub(crate) connects: Throttle,
}

/// One connection, from the moment its handshake is accepted for handling until it is closed.
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) connected_at: Timestamp,
    pub(crate) source_ip: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) outbox: Outbox,
    /// When the connection was made, by the gateway's clock.
    pub(crate) made: Duration,
    /// When a frame last went either way, in milliseconds of the gateway's clock.
    active: AtomicU64,
}

impl Connections {
    /// No sockets yet.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Arc<Self> {
        let (requests, connects) = (Throttle::new(limits.requests), Throttle::new(limits.connects));
        Arc::new(Self { open: RwLock::default(), limits, clock, ids: Ids::default(), requests, connects })
    }

    /// How many connections are open or in their handshake.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of the connections that are open or in their handshake, in no order.
    #[must_use]
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.peers().keys().cloned().collect()
    }

    /// Adds a connection whose handshake begins; it is removed when the entry drops.
    pub(crate) fn admit(self: &Arc<Self>, peer: Peer) -> Entry {
        let peer = Arc::new(peer);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(peer.id.clone(), Arc::clone(&peer));
        Entry { peer, connections: Arc::clone(self) }
    }

    /// Every connection, whatever its phase.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers().values().cloned().collect()
    }

    pub(crate) fn room(&self) -> Room {
        Room { bytes: self.limits.queued_bytes, messages: self.limits.queued_messages }
    }

    fn peers(&self) -> RwLockReadGuard<'_, HashMap<ConnectionId, Arc<Peer>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection of an id, while the handshake lasts too.
    pub(crate) fn peer(&self, id: &ConnectionId) -> Result<Arc<Peer>, Error> {
        self.peers().get(id).cloned().ok_or(Error::Gone)
    }

    /// What a call of the back end must pass first.
    fn admit_call(&self, deadline: Deadline) -> Result<(), Error> {
        if deadline.has_passed() {
            return Err(Error::NotAttempted);
        }
        self.admit_request()
    }

    /// Takes a request from the account's rate.
    pub(crate) fn admit_request(&self) -> Result<(), Error> {
        if self.requests.admit(|| self.clock.elapsed()) { Ok(()) } else { Err(Error::Throttled) }
    }

    /// Sends one frame to a connection.
    pub(crate) fn post(&self, id: &ConnectionId, message: Message) -> Result<(), Error> {
        if message.len() > self.limits.message_bytes {
            return Err(Error::TooLarge);
        }
        let peer = self.peer(id)?;
        peer.outbox.send(message, self.room())
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

    /// Closes an open connection as DELETE does.
    pub(crate) fn delete(&self, id: &ConnectionId) -> Result<(), Error> {
        let peer = self.peer(id)?;
        if peer.outbox.phase() == Phase::Open && peer.outbox.close(Close::DELETED) { Ok(()) } else { Err(Error::Gone) }
    }
}

impl Peer {
    pub(crate) fn new(id: ConnectionId, source_ip: String, user_agent: Option<String>, clock: &Clock) -> Self {
        let made = clock.elapsed();
        Self {
            id,
            connected_at: clock.now(),
            source_ip,
            user_agent,
            outbox: Outbox::default(),
            made,
            active: AtomicU64::new(millis(made)),
        }
    }

    /// Notes that a frame went either way at `now`.
    pub(crate) fn touch(&self, now: Duration) {
        self.active.store(millis(now), Ordering::Relaxed);
    }

    /// When a frame last went either way.
    pub(crate) fn active(&self) -> Duration {
        Duration::from_millis(self.active.load(Ordering::Relaxed))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A connection's place among the connections.
pub(crate) struct Entry {
    pub(crate) peer: Arc<Peer>,
    connections: Arc<Connections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.open.write().unwrap_or_else(PoisonError::into_inner).remove(&self.peer.id);
        self.peer.outbox.shut();
    }
}

/// The frame of a message; its bytes are copied once, however many connections share it.
fn message_of(data: &Payload) -> Message {
    match data {
        Payload::Text(text) => Message::text(text.as_str()),
        Payload::Binary(bytes) => frame_of(Bytes::copy_from_slice(bytes)),
    }
}

#[async_trait]
impl Messaging for Connections {
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
        let (message, room) = (message_of(data), self.room());
        // The lock is held while the peers are found, and not while their tasks are woken.
        let peers: Vec<Option<Arc<Peer>>> = {
            let open = self.peers();
            to.iter().map(|id| open.get(id).cloned()).collect()
        };
        let deliver = |peer: Option<Arc<Peer>>| {
            self.admit_request()?;
            peer.ok_or(Error::Gone)?.outbox.send(message.clone(), room)
        };
        peers.into_iter().map(deliver).collect()
    }

    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], deadline: Deadline) -> usize {
        let Ok(peer) = self.peer(to) else { return 0 };
        let patience = OPENING.min(deadline.remaining());
        if tokio::time::timeout(patience, peer.outbox.handshake_over()).await.is_err() {
            return 0;
        }
        for (delivered, data) in messages.iter().enumerate() {
            let sent = async {
                let allowed = data.len() <= self.limits.message_bytes;
                allowed && peer.outbox.send_patiently(message_of(data), self.room()).await.is_ok()
            };
            // What cannot be delivered takes the rest with it: later messages never overtake a lost one.
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
