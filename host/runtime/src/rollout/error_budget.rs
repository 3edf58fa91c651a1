//! Counts the events of a canary, whose failures are bounded by a number or a rate. The store has the sum over all
//! hosts. This module has the counts that this host has not added to the sum yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_ports::{AwakeInstant, Deadline};
use tidegate_release::rollout::Canary;
use tidegate_release::store::{CanaryCounts, ReleaseReader};

use super::tracks::Track;
use crate::outcome::{Fault, Outcome};

/// The time after which events that did not fail are added to the sum. A failure is added at once.
const INTERVAL: Duration = Duration::from_secs(2);

/// The counts of the running canary.
#[derive(Debug, Default)]
pub(super) struct ErrorBudget(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The run of the canary that is counted.
    run: u64,
    /// The counts that are not in the sum yet.
    pending: CanaryCounts,
    /// The counts of this host in total.
    own: CanaryCounts,
    /// True once the number of failures has exceeded the budget.
    spent: bool,
    flushed: Option<AwakeInstant>,
}

impl ErrorBudget {
    /// Counts an event of the canary. Returns true if the sum should be updated at once.
    pub(super) fn record(&self, canary: &Canary, outcome: &Outcome) -> bool {
        let active = outcome.active.as_ref();
        if !active.is_some_and(|active| active.track == Track::Canary && active.release == canary.release) {
            return false;
        }
        let mut one = CanaryCounts { events: 1, ..CanaryCounts::default() };
        match outcome.fault {
            Some(Fault::Trap) => one.traps = 1,
            Some(Fault::Timeout) => one.timeouts = 1,
            Some(Fault::Error) => one.errors = 1,
            None => {}
        }
        let mut state = self.state_of(canary.run);
        state.pending = state.pending.plus(one);
        state.own = state.own.plus(one);
        outcome.fault.is_some()
    }

    /// Updates the sum if an update is due. Returns the number of failures the first time that it exceeds the budget.
    pub(super) async fn flush(&self, store: &dyn ReleaseReader, canary: &Canary, deadline: Deadline) -> Option<u64> {
        let added = {
            let mut state = self.state_of(canary.run);
            if !state.is_due() {
                return None;
            }
            state.flushed = Some(AwakeInstant::now());
            std::mem::take(&mut state.pending)
        };
        let sum = store.add_canary_counts(canary.run, added, deadline).await;
        let mut state = self.state_of(canary.run);
        let failures = match sum {
            Ok(sum) => sum.failures(),
            Err(error) => {
                tracing::warn!(release = %canary.release, "cannot count the events of the canary: {error}");
                // The store may have added the counts despite the error. Counting events twice may halt the canary too
                // early, which is the safe side.
                state.pending = state.pending.plus(added);
                // A host that cannot reach the store protects its own events.
                state.own.failures()
            }
        };
        let above = canary.error_rate.is_none() && failures > canary.error_budget;
        let first = above && !state.spent;
        state.spent |= above;
        first.then_some(failures)
    }

    /// Returns true if this host knows that the canary has exhausted its budget.
    pub(super) fn is_spent(&self, canary: &Canary) -> bool {
        self.state_of(canary.run).spent
    }

    /// Returns the counts of a run. A new run starts at zero.
    fn state_of(&self, run: u64) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.run != run {
            *state = State { run, ..State::default() };
        }
        state
    }
}

impl State {
    fn is_due(&self) -> bool {
        let is_old = self.flushed.is_none_or(|flushed| flushed.elapsed() >= INTERVAL);
        self.pending.failures() > 0 || self.pending.events > 0 && is_old
    }
}
