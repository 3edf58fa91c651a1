//! One guest's call, wherever it runs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Scheduler;
use super::account::Flight;
use super::cpu;
use super::first_slice::FirstSlice;
use super::guest_threads::{Back, Task};
use super::place::{Place, Request, poll_in};

/// A guest's call. It stores its result itself.
pub(super) type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A shorter slice continues at the next tick, so that each slice takes between a half and one and a half ticks.
const MIN_SLICE: Duration = Duration::from_micros(500);

/// A call in progress. Completes when the call has completed, or was dropped because its client left before it began.
pub(super) struct Run<'s> {
    scheduler: &'s Scheduler,
    flight: Arc<Flight>,
    client: Option<CancellationToken>,
    at: At,
}

enum At {
    /// On the executor. True if the call has been polled.
    Executor(Call, bool),
    GuestThread(oneshot::Receiver<Back>),
    Ended,
}

impl Flight {
    /// Charges the guest for the time since its last lap. Returns the event's CPU time, and true if the slice ends.
    pub(crate) fn tick(&self) -> (Duration, bool) {
        let lap = cpu::lap();
        let is_away = Place::current() == Some(Place::GuestThread);
        let total = if is_away { self.charge_away(lap) } else { self.charge_here(lap) };
        let has_run_for_a_tick = if is_away { lap >= MIN_SLICE } else { total >= MIN_SLICE };
        if has_run_for_a_tick {
            self.set_long();
        }
        (total, has_run_for_a_tick || (self.has_moved() && !is_away))
    }

    /// Charges the event for work that this thread does for its guest outside of a slice.
    pub(crate) fn charge_beside<T>(&self, work: impl FnOnce() -> T) -> T {
        cpu::begin();
        let done = work();
        self.charge(cpu::lap());
        done
    }
}

impl<'s> Run<'s> {
    /// Creates a run. The call of a `client` that has left is dropped if it has not begun.
    pub(super) fn new(
        scheduler: &'s Scheduler,
        flight: Arc<Flight>,
        client: Option<CancellationToken>,
        call: Call,
    ) -> Self {
        Self { scheduler, flight, client, at: At::Executor(call, false) }
    }

    /// Polls the call on this thread of the executor.
    fn poll_here(&self, call: &mut Call, cx: &mut Context<'_>) -> (Poll<()>, Option<Request>) {
        cpu::begin();
        let place = Place::Executor { has_moved: self.flight.has_moved() };
        let polled = poll_in(place, || call.as_mut().poll(cx));
        self.flight.charge_here(cpu::lap());
        polled
    }

    /// Passes the call to the guest threads. Without guest threads, the call yields to the other tasks of the executor.
    fn move_away(&self, call: Call, cx: &Context<'_>) -> At {
        let Some(threads) = &self.scheduler.threads else {
            cx.waker().wake_by_ref();
            return At::Executor(call, true);
        };
        self.flight.set_moved();
        let (home, back) = oneshot::channel();
        let client = self.client.clone();
        threads.push(Task { call, flight: Arc::clone(&self.flight), client, home, executor: Handle::current() });
        At::GuestThread(back)
    }
}

impl Future for Run<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let scheduler = self.scheduler;
        loop {
            match std::mem::replace(&mut self.at, At::Ended) {
                At::Executor(mut call, has_begun) => {
                    let FirstSlice::Here(permit) = scheduler.place_of(&self.flight, has_begun) else {
                        self.at = self.move_away(call, cx);
                        continue;
                    };
                    let polled = self.poll_here(&mut call, cx);
                    drop(permit);
                    match polled {
                        (Poll::Ready(()), _) => return Poll::Ready(()),
                        (Poll::Pending, Some(Request::GuestThread)) => {
                            self.at = self.move_away(call, cx);
                            if matches!(self.at, At::Executor(..)) {
                                return Poll::Pending;
                            }
                        }
                        (Poll::Pending, _) => {
                            self.at = At::Executor(call, true);
                            return Poll::Pending;
                        }
                    }
                }
                At::GuestThread(mut back) => {
                    let Poll::Ready(answer) = Pin::new(&mut back).poll(cx) else {
                        self.at = At::GuestThread(back);
                        return Poll::Pending;
                    };
                    match answer {
                        Ok(Back::Ended) | Err(_) => return Poll::Ready(()),
                        Ok(Back::Waits(call)) => self.at = At::Executor(call, true),
                        Ok(Back::Panicked(panic)) => std::panic::resume_unwind(panic),
                    }
                }
                At::Ended => return Poll::Ready(()),
            }
        }
    }
}
