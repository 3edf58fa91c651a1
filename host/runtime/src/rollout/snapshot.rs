//! A snapshot of the rollout state in the store, and its age.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_ports::{AwakeInstant, Deadline};
use tidegate_release::ReleaseId;
use tidegate_release::rollout::{Canary, Halt, RolloutState};
use tidegate_release::store::{Consistency, ReleaseReader, StoreError};
use tokio::task::JoinHandle;

/// The time limit for reading the rollout state.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The rollout state at the time of a read.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) state: RolloutState,
    /// The halt of the canary.
    pub(super) halt: Option<Halt>,
}

/// The releases that should run.
pub(super) struct DesiredTracks {
    pub(super) stable: ReleaseId,
    pub(super) canary: Option<Canary>,
    /// The halt that keeps the canary from running.
    pub(super) halt: Option<Halt>,
}

/// A snapshot that is applied after the current event.
pub(super) enum PendingSnapshot {
    /// The read is in progress.
    Reading(JoinHandle<Result<Snapshot, StoreError>>),
    /// The snapshot was read, but there was no time to load its releases.
    Read(Snapshot),
}

/// The time of the last successful read, and of the last attempt.
#[derive(Debug, Default)]
pub(super) struct ReadTimes(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    read: Option<AwakeInstant>,
    tried: Option<AwakeInstant>,
}

impl Snapshot {
    /// Returns the releases that should run on a host that was deployed with the release `deployed`.
    pub(super) fn desired(&self, deployed: &ReleaseId) -> DesiredTracks {
        let stable = self.state.active.as_ref().unwrap_or(deployed).clone();
        let canary = self.state.canary.as_ref();
        let is_halted = |halt: &Halt, canary: &Canary| canary.run == halt.run && canary.release == halt.release;
        let halt = self.halt.clone().filter(|halt| canary.is_some_and(|canary| is_halted(halt, canary)));
        let canary = canary.filter(|canary| canary.release != stable && halt.is_none()).cloned();
        DesiredTracks { stable, canary, halt }
    }
}

impl ReadTimes {
    /// Returns the age of the last successful read, or `None` before the first one.
    pub(super) fn age(&self) -> Option<Duration> {
        self.lock().read.map(AwakeInstant::elapsed)
    }

    /// Returns true if the last attempt was at least `interval` ago.
    pub(super) fn is_due(&self, interval: Duration) -> bool {
        self.lock().tried.is_none_or(|tried| tried.elapsed() >= interval)
    }

    /// Reads the rollout state, and records the time.
    pub(super) async fn read(
        &self,
        store: &dyn ReleaseReader,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<Snapshot, StoreError> {
        let began = AwakeInstant::now();
        self.lock().tried = Some(began);
        let deadline = deadline.min(Deadline::after(READ_TIMEOUT));
        let state = store.rollout_state(consistency, deadline).await?;
        let halt = match &state.canary {
            Some(canary) => store.halt(canary.run, deadline).await?,
            None => None,
        };
        self.lock().read = Some(began);
        Ok(Snapshot { state, halt })
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
