//! What a canary's events count for: the sum over all hosts is in the store, what this host has yet to add is here.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tidegate_ports::Deadline;
use tidegate_release::rollout::Canary;
use tidegate_release::store::{CanaryCounts, ReleaseReader};

use super::Track;
use crate::dispatch::{Fault, Outcome};

/// How long events that did not fail are kept back before they are added to the sum. A failure is added at once.
const INTERVAL: Duration = Duration::from_secs(2);

/// The counts of the canary that runs.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The run that is counted.
    run: u64,
    /// What is not in the sum yet.
    pending: CanaryCounts,
    /// What this host has counted in all.
    own: CanaryCounts,
    /// Whether the sum was above the budget.
    spent: bool,
    flushed: Option<(Instant, SystemTime)>,
}

impl Budget {
    /// Counts an event of the canary; whether it should be added to the sum at once.
    pub(super) fn record(&self, canary: &Canary, outcome: &Outcome) -> bool {
        let of_canary =
            outcome.active.as_ref().is_some_and(|it| it.track == Track::Canary && it.release == canary.release);
        if !of_canary {
            return false;
        }
        let mut one = CanaryCounts { events: 1, ..CanaryCounts::default() };
        match outcome.fault {
            Some(Fault::Trap) => one.traps = 1,
            Some(Fault::Timeout) => one.timeouts = 1,
            Some(Fault::Error) => one.errors = 1,
            None => {}
        }
        let mut state = self.of(canary.run);
        state.pending = state.pending.plus(one);
        state.own = state.own.plus(one);
        outcome.fault.is_some()
    }

    /// Adds what is due to the sum; answers how many failures there are when they are above the budget.
    pub(super) async fn flush(&self, store: &dyn ReleaseReader, canary: &Canary, deadline: Deadline) -> Option<u64> {
        let adding = {
            let mut state = self.of(canary.run);
            if !state.is_due() {
                return None;
            }
            state.flushed = Some((Instant::now(), SystemTime::now()));
            std::mem::take(&mut state.pending)
        };
        let sum = store.add_canary_counts(canary.run, adding, deadline).await;
        let mut state = self.of(canary.run);
        let failures = match sum {
            Ok(sum) => sum.failures(),
            Err(error) => {
                tracing::warn!(release = %canary.release, "cannot count what the canary did: {error}");
                // It may have been added: a canary that is halted early is better than one that is not.
                state.pending = state.pending.plus(adding);
                // A host that reaches nobody protects its own events.
                state.own.failures()
            }
        };
        let above = failures > canary.error_budget;
        let first = above && !state.spent;
        state.spent |= above;
        first.then_some(failures)
    }

    /// Whether this host knows that the canary has spent its budget.
    pub(super) fn is_spent(&self, canary: &Canary) -> bool {
        self.of(canary.run).spent
    }

    /// The counts of a run; those of another begin anew.
    fn of(&self, run: u64) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.run != run {
            *state = State { run, ..State::default() };
        }
        state
    }
}

impl State {
    fn is_due(&self) -> bool {
        let age = self.flushed.map(|(at, wall)| at.elapsed().max(wall.elapsed().unwrap_or_default()));
        self.pending.failures() > 0 || self.pending.events > 0 && age.is_none_or(|age| age >= INTERVAL)
    }
}
