//! The CPU time of routes and connections, which decides where and when their guests run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tidegate_event::ConnectionId;

use super::first_slice::{FirstSlice, HeavySlices};
use crate::context::EventContext;

/// An event that uses more CPU time is heavy: it delays others on the executor's thread noticeably.
const HEAVY: Duration = Duration::from_micros(250);
/// An event that uses more CPU time is heavy even if the one before it was light.
const SURELY_HEAVY: Duration = Duration::from_millis(1);
/// After a heavy event, the events of its route begin on guest threads for this multiple of its CPU time. So first
/// slices take at most a sixteenth of an executor's thread.
const PENALTY: u32 = 16;
/// The length of the window in which the executor's time is shared between routes.
const WINDOW: Duration = Duration::from_millis(4);
/// The CPU time that one route may use on the executor in a window while other routes are active too.
const WINDOW_SHARE: Duration = Duration::from_millis(2);
/// A host is shared if the route of the last event changed within this time.
const SHARED: Duration = Duration::from_millis(100);
/// The number of connections with an account above which the accounts of idle connections are removed.
const PRUNE: usize = 256;

/// The CPU time of one route or of one connection. Times are in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The CPU time on guest threads. It is raised to the fair queue's own time when the account becomes active, so
    /// that an idle account collects no credit.
    used: AtomicU64,
    /// The number of events that have run for a tick and have not ended.
    long: AtomicUsize,
    /// The time until which new events begin on a guest thread.
    heavy_until: AtomicU64,
    /// True if the last event was not heavy.
    is_light: AtomicBool,
    /// The current window and the CPU time on the executor's threads in it.
    window: AtomicU64,
    window_used: AtomicU64,
}

impl Account {
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Raises the CPU time to `time`, if it is lower.
    pub(super) fn raise(&self, time: u64) {
        self.used.fetch_max(time, Ordering::Relaxed);
    }

    fn has_long_event(&self) -> bool {
        self.long.load(Ordering::Relaxed) > 0
    }

    fn is_heavy(&self, now: u64) -> bool {
        now < self.heavy_until.load(Ordering::Relaxed)
    }

    fn end_event(&self, now: u64, cpu: Duration) {
        let (is_light, was_light) = (cpu <= HEAVY, self.is_light.load(Ordering::Relaxed));
        if was_light != is_light {
            self.is_light.store(is_light, Ordering::Relaxed);
        }
        // One of many light events can be heavy because of an interrupt or of page faults.
        if !is_light && (!was_light || cpu > SURELY_HEAVY) {
            self.heavy_until.fetch_max(now.saturating_add(nanos(cpu * PENALTY)), Ordering::Relaxed);
        }
    }

    fn charge_window(&self, now: u64, cpu: u64) {
        let window = now / nanos(WINDOW);
        if self.window.swap(window, Ordering::Relaxed) == window {
            self.window_used.fetch_add(cpu, Ordering::Relaxed);
        } else {
            self.window_used.store(cpu, Ordering::Relaxed);
        }
    }

    fn has_used_its_window(&self, now: u64) -> bool {
        self.window.load(Ordering::Relaxed) == now / nanos(WINDOW)
            && self.window_used.load(Ordering::Relaxed) > nanos(WINDOW_SHARE)
    }
}

/// The record of one event, which the slices of its guest share.
#[derive(Debug)]
pub(crate) struct Flight {
    accounts: Arc<Accounts>,
    route: Arc<Account>,
    context: Arc<EventContext>,
    /// The account of the connection, if one of its events was heavy.
    connection: OnceLock<Arc<Account>>,
    /// The CPU time of the event so far, in nanoseconds.
    cpu: AtomicU64,
    /// True once the guest has moved to a guest thread.
    moved: AtomicBool,
    /// True once the guest has run for a tick.
    long: AtomicBool,
}

impl Flight {
    /// Returns the CPU time that the event has used.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed))
    }

    pub(super) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    pub(super) fn route(&self) -> &Account {
        &self.route
    }

    pub(super) fn connection(&self) -> &Account {
        self.connection.get_or_init(|| self.accounts.of_connection(&self.context.connection_id))
    }

    /// Adds CPU time of a slice on the executor's thread. Returns the CPU time of the event.
    pub(super) fn charge_here(&self, cpu: Duration) -> Duration {
        self.route.charge_window(self.accounts.now(), nanos(cpu));
        self.charge(cpu)
    }

    /// Adds CPU time of a slice on a guest thread. Returns the CPU time of the event.
    pub(super) fn charge_away(&self, cpu: Duration) -> Duration {
        self.route.used.fetch_add(nanos(cpu), Ordering::Relaxed);
        self.connection().used.fetch_add(nanos(cpu), Ordering::Relaxed);
        self.charge(cpu)
    }

    pub(super) fn charge(&self, cpu: Duration) -> Duration {
        Duration::from_nanos(self.cpu.fetch_add(nanos(cpu), Ordering::Relaxed)) + cpu
    }

    /// Records that the guest moves to a guest thread.
    pub(super) fn set_moved(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Records that the guest has run for a tick. An event that merely began on a guest thread does not count: the
    /// light events of a busy route would keep each other there.
    pub(super) fn set_long(&self) {
        if !self.long.swap(true, Ordering::Relaxed) {
            self.route.long.fetch_add(1, Ordering::Relaxed);
            self.connection().long.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let now = self.accounts.now();
        self.route.end_event(now, self.cpu());
        if self.long.load(Ordering::Relaxed) {
            self.route.long.fetch_sub(1, Ordering::Relaxed);
            self.connection().long.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(connection) = self.connection.get() {
            connection.end_event(now, self.cpu());
        }
    }
}

/// The accounts of the connections with heavy events, and the share that each route has of the executor.
#[derive(Debug)]
pub(crate) struct Accounts {
    start: Instant,
    connections: Mutex<HashMap<ConnectionId, Arc<Account>>>,
    /// The size of `connections`, so that an event on a quiet host does not take the lock.
    count: AtomicUsize,
    /// The address of the account of the route that ran last, and the time at which it changed.
    last_route: AtomicUsize,
    changed_at: AtomicU64,
    heavy_slices: HeavySlices,
}

impl Accounts {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            heavy_slices: HeavySlices::new(),
            start: Instant::now(),
            connections: Mutex::default(),
            count: AtomicUsize::new(0),
            last_route: AtomicUsize::new(0),
            changed_at: AtomicU64::new(0),
        })
    }

    /// Creates the record of an event.
    pub(super) fn begin(self: &Arc<Self>, route: &Arc<Account>, context: &Arc<EventContext>) -> Flight {
        let is_empty = self.count.load(Ordering::Relaxed) == 0;
        let known = if is_empty { None } else { self.lock().get(&context.connection_id).cloned() };
        Flight {
            accounts: Arc::clone(self),
            route: Arc::clone(route),
            context: Arc::clone(context),
            connection: known.map_or_else(OnceLock::new, OnceLock::from),
            cpu: AtomicU64::new(0),
            moved: AtomicBool::new(false),
            long: AtomicBool::new(false),
        }
    }

    /// Decides where an event begins. `guests_wait` is true if guests are waiting for a guest thread.
    pub(super) fn first_slice(&self, flight: &Flight, guests_wait: bool) -> FirstSlice<'_> {
        let now = self.now();
        let route = &flight.route;
        let is_shared = self.is_shared(route, now);
        let any =
            |holds: &dyn Fn(&Account) -> bool| holds(route) || flight.connection.get().is_some_and(|one| holds(one));
        let is_unknown = guests_wait && !route.is_light.load(Ordering::Relaxed);
        let has_had_its_share = is_shared && route.has_used_its_window(now);
        if any(&Account::has_long_event) || is_unknown || has_had_its_share {
            return FirstSlice::Away;
        }
        if any(&|account| account.is_heavy(now)) {
            return self.heavy_slices.try_take().map_or(FirstSlice::Away, |permit| FirstSlice::Here(Some(permit)));
        }
        FirstSlice::Here(None)
    }

    /// Records that the route runs an event, and returns true if other routes have run events recently.
    fn is_shared(&self, route: &Arc<Account>, now: u64) -> bool {
        let route = Arc::as_ptr(route).addr();
        if self.last_route.load(Ordering::Relaxed) != route {
            self.last_route.store(route, Ordering::Relaxed);
            self.changed_at.store(now, Ordering::Relaxed);
            return true;
        }
        let changed_at = self.changed_at.load(Ordering::Relaxed);
        changed_at > 0 && now.saturating_sub(changed_at) < nanos(SHARED)
    }

    /// Returns the account of a connection with a heavy event.
    fn of_connection(&self, id: &ConnectionId) -> Arc<Account> {
        let mut connections = self.lock();
        if let Some(account) = connections.get(id) {
            return Arc::clone(account);
        }
        if connections.len() >= PRUNE {
            let now = self.now();
            connections.retain(|_, account| Arc::strong_count(account) > 1 || account.is_heavy(now));
        }
        let account = Arc::<Account>::default();
        connections.insert(id.clone(), Arc::clone(&account));
        self.count.store(connections.len(), Ordering::Relaxed);
        account
    }

    fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Account>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
