//! Shares the processor between guests, so that no socket, timer or database work waits behind a guest.
//!
//! An event begins on the thread of the executor that read it, because most guests finish before another thread could
//! take them over. A guest that has run for one tick moves to a guest thread. Guest threads have a lower priority than
//! the executor's threads, and run the guest whose route, and then whose connection, has used the least CPU time.
//!
//! ```text
//!  executor thread                          guest thread
//!  ───────────────                          ────────────
//!  event ─▶ first slice ─▶ answer
//!               │ a tick has passed
//!               └──────────────────────────▶ fair queue ─▶ slice ─▶ slice ─▶ …
//!                                                            │ host call   │ answer
//!  host call ◀───────────────────────────────────────────────┘             │
//!      └──────────────────────────────────▶ fair queue ─▶ …                │
//!  answer ◀────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A host call runs on the executor, to which timers and connections belong. While it waits, its guest occupies no
//! thread. A route or connection that has recently used much CPU time loses the first slice on the executor: its events
//! begin on a guest thread, unless another thread of the executor is free of such events.
//!
//! A host that runs one event at a time has no guest threads, and a guest yields to the executor after each tick.

mod account;
mod cpu;
mod fair_queue;
mod first_slice;
mod guest_threads;
mod place;
mod run;

use std::sync::Arc;

pub(crate) use account::{Account, Flight};
pub(crate) use cpu::CpuLimit;
use futures_util::FutureExt as _;
pub(crate) use place::{end_of_slice, has_moved, on_executor};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::context::EventContext;
use account::Accounts;
use first_slice::FirstSlice;
use guest_threads::GuestThreads;
use run::Run;

/// Decides where guests run.
pub(crate) struct Scheduler {
    threads: Option<GuestThreads>,
    accounts: Arc<Accounts>,
}

impl Scheduler {
    /// Creates a scheduler with this number of guest threads.
    ///
    /// # Errors
    /// A thread does not start.
    pub(crate) fn start(threads: u32) -> std::io::Result<Self> {
        let threads = (threads > 0).then(|| GuestThreads::start(threads)).transpose()?;
        Ok(Self { threads, accounts: Accounts::new() })
    }

    /// Creates the record of an event.
    pub(crate) fn begin(&self, route: &Arc<Account>, context: &Arc<EventContext>) -> Arc<Flight> {
        Arc::new(self.accounts.begin(route, context))
    }

    /// Runs a guest's call to its end. Returns `None` if the call was dropped before it began, because its `client` had
    /// left.
    ///
    /// The call is boxed before the future is created, which is thereby small: it is part of many others.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        flight: Arc<Flight>,
        client: Option<CancellationToken>,
        call: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send {
        let (send, mut receive) = oneshot::channel();
        // The receiver is gone only if nobody waits for the answer any more.
        let call = Box::pin(call.map(move |answer| drop(send.send(answer))));
        let run = Run::new(self, flight, client, call);
        async move {
            run.await;
            receive.try_recv().ok()
        }
    }

    /// Decides where the next slice of an event runs that is on the executor. Only its first slice is a privilege.
    fn place_of(&self, flight: &Flight, has_begun: bool) -> FirstSlice<'_> {
        match &self.threads {
            Some(threads) if !has_begun => self.accounts.first_slice(flight, threads.has_waiting()),
            _ => FirstSlice::Here(None),
        }
    }
}

#[cfg(test)]
mod tests;
