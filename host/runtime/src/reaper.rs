//! Removes the rows of connections that messaging found gone.
//!
//! A broadcast to a group of clients that have vanished finds thousands of them in one event. Reaping is behind other
//! work: one reaper serves the process, with a bounded queue and few calls at a time. A connection that does not fit is
//! found again by the next broadcast, or expires.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, stream};
use tidegate_event::ConnectionId;
use tidegate_ports::{Deadline, Registry, registry};
use tokio::sync::Semaphore;

use crate::context::{EventContext, log_event};
use crate::ports::Ports;
use crate::state::Gone;

/// The maximum number of calls at a time, in the whole process.
const CONCURRENCY: usize = 4;
/// The maximum number of connections that wait, in the whole process: eight events at their limit.
const MAX_WAITING: usize = 1_024;

/// The reaper of a process.
pub(crate) struct Reaper {
    queue: Mutex<Queue>,
    permits: Semaphore,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    /// The ids of the connections that wait or are being reaped.
    ids: HashSet<ConnectionId>,
}

/// A connection to reap, with the event that found it.
struct Work {
    gone: Gone,
    context: Arc<EventContext>,
    ports: Arc<Ports>,
}

impl Default for Reaper {
    fn default() -> Self {
        Self { queue: Mutex::default(), permits: Semaphore::new(CONCURRENCY) }
    }
}

impl Reaper {
    /// Adds the connections that an event found gone. Those that wait already, and those above the limit, are left out.
    pub(crate) fn add(&self, gone: Vec<Gone>, context: &Arc<EventContext>, ports: &Arc<Ports>) {
        let mut queue = self.queue();
        for gone in gone {
            if queue.waiting.len() >= MAX_WAITING {
                return;
            }
            if queue.ids.insert(gone.id.clone()) {
                queue.waiting.push_back(Work { gone, context: Arc::clone(context), ports: Arc::clone(ports) });
            }
        }
    }

    /// Reaps until no connection waits, or the deadline has passed. Returns at once if other events already make all
    /// calls that are allowed at a time, because those continue with what this event has added.
    pub(crate) async fn run(&self, deadline: Deadline) {
        stream::iter(0..CONCURRENCY).for_each_concurrent(None, |_| self.run_one_at_a_time(deadline)).await;
    }

    async fn run_one_at_a_time(&self, deadline: Deadline) {
        loop {
            let Ok(_permit) = self.permits.try_acquire() else { return };
            if deadline.has_passed() {
                return;
            }
            let Some(work) = self.next() else { return };
            let id = work.gone.id.clone();
            // Dropped together with this future, so that the connection can be found again.
            let _done = Done { reaper: self, id: &id };
            work.run(deadline).await;
            // A database in memory answers at once, without letting another task run.
            tokio::task::yield_now().await;
        }
    }

    fn next(&self) -> Option<Work> {
        self.queue().waiting.pop_front()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the id of a connection when its work ends.
struct Done<'a> {
    reaper: &'a Reaper,
    id: &'a ConnectionId,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.reaper.queue().ids.remove(self.id);
    }
}

impl Work {
    async fn run(self, deadline: Deadline) {
        let Some(registry) = self.ports.registry() else { return };
        if let Err(error) = reap(&self.gone, &**registry, deadline).await {
            log_event!(WARN, &self.context, "cannot reap the gone connection `{}`: {error}", self.gone.id);
        }
    }
}

async fn reap(gone: &Gone, registry: &dyn Registry, deadline: Deadline) -> Result<(), registry::Error> {
    if registry.reap(&gone.id, deadline).await? {
        return Ok(());
    }
    // The row is too young to be reaped, or it is missing. A row is missing after an `unregister` whose response was
    // lost: the row is gone, and with it the names of its groups. The group that listed the connection was one of them.
    let Some(group) = &gone.group else { return Ok(()) };
    match registry.describe(&gone.id, deadline).await {
        Err(registry::Error::NotFound) => registry.leave(group, &gone.id, deadline).await,
        found => found.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gone(numbers: impl Iterator<Item = usize>) -> Vec<Gone> {
        let gone = |number: usize| Gone { id: ConnectionId::new(number.to_string()).unwrap(), group: None };
        numbers.map(gone).collect()
    }

    /// Returns the number of connections that wait, and the number of ids.
    fn lengths(reaper: &Reaper) -> (usize, usize) {
        let queue = reaper.queue();
        (queue.waiting.len(), queue.ids.len())
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_holds_each_connection_once() {
        let reaper = Reaper::default();
        let context = Arc::new(crate::context::tests::context());
        let ports = Arc::new(Ports { routes: None, config: Arc::default() });
        for _ in 0..3 {
            reaper.add(gone(0..100), &context, &ports);
        }
        assert_eq!(lengths(&reaper), (100, 100));
        reaper.add(gone(100..10_000), &context, &ports);
        assert_eq!(lengths(&reaper), (MAX_WAITING, MAX_WAITING));
        let busy = reaper.permits.try_acquire_many(4).unwrap();
        reaper.run(Deadline::after(Duration::from_secs(60))).await;
        assert_eq!(lengths(&reaper), (MAX_WAITING, MAX_WAITING), "more calls than allowed were made");
        drop(busy);
        reaper.run(Deadline::after(Duration::from_secs(60))).await;
        assert_eq!(lengths(&reaper), (0, 0));
    }
}
