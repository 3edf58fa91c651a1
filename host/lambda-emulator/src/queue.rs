//! Events on their way to one process and back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegate_event::FunctionError;
use tokio::sync::{oneshot, watch};

/// What a function answers an event with.
pub type Answer = Result<Vec<u8>, FunctionError>;

/// Events by their numbers: those that wait for the process, and those that it has.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Whether the process waits for an event.
    idle: watch::Sender<bool>,
}

/// An event, as it is handed to the process.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// The event's number.
    pub(crate) number: u64,
    /// The event.
    pub(crate) event: Bytes,
    /// How long the process may take.
    pub(crate) time: Duration,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Invocation>,
    /// Requests for the next event that wait for one.
    takers: VecDeque<(u64, oneshot::Sender<Invocation>)>,
    /// How many requests for the next event there were: the process is initialised once there was one.
    asked: u64,
    under_way: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Queue {
    /// Hands an event to a request that waits, or keeps it for the next. The receiver is told the answer.
    pub(crate) fn put(&self, number: u64, event: Bytes, time: Duration) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let mut invocation = Invocation { number, event, time, answer };
        let mut state = self.state();
        while let Some((_, taker)) = state.takers.pop_front() {
            match taker.send(invocation) {
                Ok(()) => {
                    self.say_idle(&state);
                    return answered;
                }
                // Its connection has just ended.
                Err(returned) => invocation = returned,
            }
        }
        state.waiting.push_back(invocation);
        self.say_idle(&state);
        answered
    }

    /// Takes an event back, or leaves its answer unheard. Its receiver is closed before.
    pub(crate) fn withdraw(&self, number: u64) {
        let mut state = self.state();
        state.waiting.retain(|invocation| invocation.number != number);
        state.under_way.remove(&number);
    }

    /// The next event, once there is one. Dropping this future leaves the events to other requests.
    pub(crate) async fn next(&self) -> Option<Invocation> {
        let (taker, mut given) = self.ask();
        let _taking = Taking { queue: self, taker };
        (&mut given).await.ok()
    }

    fn ask(&self) -> (u64, oneshot::Receiver<Invocation>) {
        let mut state = self.state();
        state.asked += 1;
        let taker = state.asked;
        let (give, given) = oneshot::channel();
        match state.waiting.pop_front() {
            // The receiver is here, so that this succeeds.
            Some(invocation) => drop(give.send(invocation)),
            None => state.takers.push_back((taker, give)),
        }
        self.say_idle(&state);
        (taker, given)
    }

    /// Notes that the process has an event, whose answer may come from now on.
    pub(crate) fn begin(&self, invocation: Invocation) -> (u64, Bytes, Duration) {
        let Invocation { number, event, time, answer } = invocation;
        let mut state = self.state();
        // Nobody may wait for it any more: its answer is then refused.
        if !answer.is_closed() {
            state.under_way.insert(number, answer);
        }
        (number, event, time)
    }

    /// Who waits for the answer to an event that the process has.
    pub(crate) fn finish(&self, number: u64) -> Option<oneshot::Sender<Answer>> {
        self.state().under_way.remove(&number)
    }

    /// Whether the process has asked for an event.
    pub(crate) fn was_asked(&self) -> bool {
        self.state().asked > 0
    }

    /// Whether the process waits for an event.
    pub(crate) fn is_idle(&self) -> bool {
        *self.idle.borrow()
    }

    /// Waits until the process waits for an event.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`.
        let _ = self.idle.subscribe().wait_for(|idle| *idle).await;
    }

    /// Says whether the process waits. Called while the state is locked, so that nobody says it late.
    fn say_idle(&self, state: &State) {
        let idle = !state.takers.is_empty();
        self.idle.send_if_modified(|said| std::mem::replace(said, idle) != idle);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request for the next event that waits for one.
struct Taking<'a> {
    queue: &'a Queue,
    taker: u64,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.takers.retain(|(taker, _)| *taker != self.taker);
        self.queue.say_idle(&state);
    }
}
