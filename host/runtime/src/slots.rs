//! The slots of a host, shared fairly by routes and connections.
//!
//! Each route is guaranteed a number of slots. Beyond it, a route may hold at most twice as many slots as are free and
//! not owed to other routes. So the first busy route gets most of the pool, and some slots are always free for the
//! next one. Events that find no slot wait, those of a connection without another waiting event first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_event::{ConnectionId, RouteKey};
use tidegate_ports::Deadline;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The number of slots guaranteed to `$connect`, `$disconnect` and the authorizer each, so that clients can come and go
/// while other routes are busy.
const LIFECYCLE_SLOTS: usize = 4;
/// The number of slots guaranteed to each other route.
const ROUTE_SLOTS: usize = 1;
/// The number of slots that a route may hold for each free slot that is not owed to another route.
const FACTOR: usize = 2;

/// The reason for not getting a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSlot {
    /// No slot became free before the deadline.
    #[error("no slot became free before the deadline")]
    Busy,
    /// The client left while its event waited.
    #[error("the client left before the event began")]
    Abandoned,
}

/// The slots of a host. Clones share them.
#[derive(Clone)]
pub struct Slots(Arc<Mutex<State>>);

struct State {
    capacity: usize,
    free: usize,
    /// The number of slots that are guaranteed to routes which do not hold them.
    owed: usize,
    routes: HashMap<u64, RouteState>,
    /// The number of waiting events, abandoned ones included.
    waiting: usize,
    next_id: u64,
}

#[derive(Default)]
struct RouteState {
    guaranteed: usize,
    held: usize,
    /// The first waiting event of each connection.
    first: VecDeque<Waiter>,
    /// The other waiting events.
    later: VecDeque<Waiter>,
    waiting: HashSet<ConnectionId>,
    /// True once the route's release is gone. The entry is removed when it is idle.
    is_retired: bool,
}

struct Waiter {
    connection: ConnectionId,
    admit: oneshot::Sender<Slot>,
}

/// The slots of one route of one release.
pub struct RouteSlots {
    slots: Slots,
    id: u64,
}

/// A slot, which is free again when it is dropped.
pub struct Slot {
    slots: Slots,
    /// The route that holds the slot. `None` once the slot is returned.
    route: Option<u64>,
}

impl Slots {
    /// Creates `capacity` slots, all of them free.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let state = State { capacity, free: capacity, owed: 0, routes: HashMap::new(), waiting: 0, next_id: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Registers the route `key`, or the authorizer if `key` is `None`. Half of the slots can be guaranteed; later
    /// routes get no guarantee.
    #[must_use]
    pub fn register(&self, key: Option<&RouteKey>) -> RouteSlots {
        let is_lifecycle = key.is_none_or(|key| matches!(key.as_str(), RouteKey::CONNECT | RouteKey::DISCONNECT));
        let wanted = if is_lifecycle { LIFECYCLE_SLOTS } else { ROUTE_SLOTS };
        let mut state = self.lock();
        let guaranteed_so_far: usize = state.routes.values().map(|route| route.guaranteed).sum();
        let guaranteed = wanted.min((state.capacity / 2).saturating_sub(guaranteed_so_far));
        let id = state.next_id;
        state.next_id += 1;
        state.owed += guaranteed;
        state.routes.insert(id, RouteState { guaranteed, ..RouteState::default() });
        RouteSlots { slots: self.clone(), id }
    }

    /// Returns a slot of the route `id`, and admits events that wait.
    fn release(&self, id: u64) {
        let mut returned = Some(id);
        while let Some(id) = returned.take() {
            let next = self.lock().release(id);
            let Some((route, waiter)) = next else { return };
            // The event may have stopped waiting. Dropping the slot here would recurse.
            if let Err(mut slot) = waiter.admit.send(Slot { slots: self.clone(), route: Some(route) }) {
                returned = slot.route.take();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteSlots {
    /// Waits for a slot for an event of `connection`, until the deadline or until `client` is cancelled.
    ///
    /// # Errors
    /// [`NoSlot::Busy`] at the deadline, [`NoSlot::Abandoned`] if the client has left.
    pub async fn slot(
        &self,
        connection: &ConnectionId,
        deadline: Deadline,
        client: Option<&CancellationToken>,
    ) -> Result<Slot, NoSlot> {
        let admitted = {
            let mut state = self.slots.lock();
            if state.take(self.id) {
                return Ok(Slot { slots: self.slots.clone(), route: Some(self.id) });
            }
            state.wait(self.id, connection)
        };
        let abandoned = async {
            match client {
                Some(client) => client.cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            slot = admitted => slot.map_err(|_| NoSlot::Busy),
            () = abandoned => Err(NoSlot::Abandoned),
            () = tokio::time::sleep_until(deadline.instant().into()) => Err(NoSlot::Busy),
        }
    }
}

impl Drop for RouteSlots {
    fn drop(&mut self) {
        self.slots.lock().retire(self.id);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(route) = self.route.take() {
            self.slots.release(route);
        }
    }
}

impl State {
    /// Takes a slot for the route `id` if it may have one and none of its events waits.
    fn take(&mut self, id: u64) -> bool {
        let is_first = self.routes.get(&id).is_none_or(|route| route.first.is_empty() && route.later.is_empty());
        is_first && self.may_take(id) && self.hold(id)
    }

    fn may_take(&self, id: u64) -> bool {
        let Some(route) = self.routes.get(&id) else { return false };
        if route.held < route.guaranteed {
            return self.free > 0;
        }
        route.held - route.guaranteed < self.free.saturating_sub(self.owed).saturating_mul(FACTOR)
    }

    fn hold(&mut self, id: u64) -> bool {
        let Some(route) = self.routes.get_mut(&id) else { return false };
        if route.held < route.guaranteed {
            self.owed -= 1;
        }
        route.held += 1;
        self.free -= 1;
        true
    }

    fn wait(&mut self, id: u64, connection: &ConnectionId) -> oneshot::Receiver<Slot> {
        let (admit, admitted) = oneshot::channel();
        if let Some(route) = self.routes.get_mut(&id) {
            let waiter = Waiter { connection: connection.clone(), admit };
            let is_first = route.waiting.insert(connection.clone());
            if is_first {
                route.first.push_back(waiter)
            } else {
                route.later.push_back(waiter)
            }
            self.waiting += 1;
        }
        admitted
    }

    /// Returns a slot, and takes it for the waiting event of the route that holds the fewest slots.
    fn release(&mut self, id: u64) -> Option<(u64, Waiter)> {
        self.free += 1;
        if let Some(route) = self.routes.get_mut(&id) {
            route.held -= 1;
            if route.held < route.guaranteed {
                self.owed += 1;
            }
        }
        self.remove_if_over(id);
        while self.waiting > 0 {
            let waiting = self.routes.iter().filter(|(id, route)| route.is_waiting() && self.may_take(**id));
            let next = waiting.min_by_key(|(id, route)| (route.held, **id)).map(|(id, _)| *id)?;
            let (waiter, passed) = self.routes.get_mut(&next)?.next_waiter();
            self.waiting -= passed;
            if let Some(waiter) = waiter {
                self.hold(next);
                return Some((next, waiter));
            }
        }
        None
    }

    fn retire(&mut self, id: u64) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        self.owed -= route.guaranteed.saturating_sub(route.held);
        route.guaranteed = 0;
        route.is_retired = true;
        self.remove_if_over(id);
    }

    fn remove_if_over(&mut self, id: u64) {
        if self.routes.get(&id).is_some_and(|route| route.is_retired && route.held == 0 && !route.is_waiting()) {
            self.routes.remove(&id);
        }
    }
}

impl RouteState {
    fn is_waiting(&self) -> bool {
        !(self.first.is_empty() && self.later.is_empty())
    }

    /// Takes the next event that still waits. Returns the number of events taken, abandoned ones included.
    fn next_waiter(&mut self) -> (Option<Waiter>, usize) {
        let mut taken = 0;
        while let Some(waiter) = self.first.pop_front().or_else(|| self.later.pop_front()) {
            taken += 1;
            if self.first.is_empty() {
                self.waiting.clear();
            } else {
                self.waiting.remove(&waiter.connection);
            }
            if !waiter.admit.is_closed() {
                return (Some(waiter), taken);
            }
        }
        (None, taken)
    }
}

#[cfg(test)]
mod tests;
