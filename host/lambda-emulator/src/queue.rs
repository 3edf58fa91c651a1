//! The events of one process, from submission to response.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegate_event::FunctionError;
use tokio::sync::{oneshot, watch};

/// The response of a function to an event.
pub type Answer = Result<Vec<u8>, FunctionError>;

/// The events that wait for the process and the events that the process is handling, by number.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// True while the process waits for an event.
    idle: watch::Sender<bool>,
}

/// An event for the process.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The number of the event.
    pub(crate) number: u64,
    pub(crate) event: Bytes,
    /// The time limit of the process for the event.
    pub(crate) time: Duration,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Invocation>,
    /// The waiting requests for the next event, by number.
    takers: VecDeque<(u64, oneshot::Sender<Invocation>)>,
    /// The number of requests for the next event so far. The first request ends the init phase.
    requests: u64,
    under_way: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Queue {
    /// Hands an event to a waiting request, or queues the event for the next request. Returns the receiver of the
    /// response.
    pub(crate) fn put(&self, number: u64, event: Bytes, time: Duration) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut invocation = Invocation { number, event, time, answer };
        let mut state = self.state();
        while let Some((_, taker)) = state.takers.pop_front() {
            match taker.send(invocation) {
                Ok(()) => {
                    self.update_idle(&state);
                    return answered;
                }
                // The connection of this request has just ended.
                Err(returned) => invocation = returned,
            }
        }
        state.waiting.push_back(invocation);
        self.update_idle(&state);
        answered
    }

    /// Removes an event, or ignores its response if the process already has the event. The receiver must be closed
    /// first.
    pub(crate) fn withdraw(&self, number: u64) {
        let mut state = self.state();
        state.waiting.retain(|invocation| invocation.number != number);
        state.under_way.remove(&number);
    }

    /// Waits for the next event. If this future is dropped, the event is left for other requests.
    pub(crate) async fn next(&self) -> Option<Invocation> {
        let (taker, mut given) = self.request();
        let _taking = Taking { queue: self, taker };
        (&mut given).await.ok()
    }

    fn request(&self) -> (u64, oneshot::Receiver<Invocation>) {
        let mut state = self.state();
        state.requests += 1;
        let taker = state.requests;
        let (give, given) = oneshot::channel();
        match state.waiting.pop_front() {
            // The receiver is in scope, so this cannot fail.
            Some(invocation) => drop(give.send(invocation)),
            None => state.takers.push_back((taker, give)),
        }
        self.update_idle(&state);
        (taker, given)
    }

    /// Records that the process has an event. The response to the event is accepted from now on.
    pub(crate) fn begin(&self, invocation: Invocation) -> (u64, Bytes, Duration) {
        let Invocation { number, event, time, answer } = invocation;
        let mut state = self.state();
        // If the caller has stopped waiting, the response will be rejected.
        if !answer.is_closed() {
            state.under_way.insert(number, answer);
        }
        (number, event, time)
    }

    /// Removes an event that the process has, and returns the sender for its response.
    pub(crate) fn finish(&self, number: u64) -> Option<oneshot::Sender<Answer>> {
        self.state().under_way.remove(&number)
    }

    /// Returns true if the process has requested an event.
    pub(crate) fn is_initialised(&self) -> bool {
        self.state().requests > 0
    }

    /// Returns true if the process waits for an event.
    pub(crate) fn is_idle(&self) -> bool {
        *self.idle.borrow()
    }

    /// Waits until the process waits for an event.
    pub(crate) async fn idle(&self) {
        // The sender is owned by `self`, so this cannot fail.
        let _ = self.idle.subscribe().wait_for(|idle| *idle).await;
    }

    /// Updates `idle`. The state must be locked, so that updates stay in order.
    fn update_idle(&self, state: &State) {
        let idle = !state.takers.is_empty();
        self.idle.send_if_modified(|current| std::mem::replace(current, idle) != idle);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiting request for the next event. Dropping it withdraws the request.
struct Taking<'a> {
    queue: &'a Queue,
    taker: u64,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.takers.retain(|(taker, _)| *taker != self.taker);
        self.queue.update_idle(&state);
    }
}
