//! Polls the store, and applies the rollout state that it reads.
//!
//! A host on Lambda is frozen between events, so it polls around events. An event whose snapshot is older than the poll
//! interval reads a new one while it runs, and new releases are loaded after the response. A snapshot that exceeds the
//! maximum age, for example after a thaw, is refreshed before the event, within a time budget. A host that is never
//! frozen [polls](Follower::poll) at intervals.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_app::App;
use tidegate_diagnostic::Code;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::rollout::{Canary, Halt};
use tidegate_release::store::{Consistency, ReleaseReader, StoreError};
use tidegate_release::verify::HostProfile;
use tidegate_release::{Release, ReleaseId, TrustedKeys};

use super::error_budget::ErrorBudget;
use super::error_rate::RateComparison;
use super::halt::{PendingHalt, STATUS_TIMEOUT, log_halt};
use super::hooks::{RolloutEvent, RolloutHooks};
use super::loader::{Attempts, Loader};
use super::reports::Reports;
use super::snapshot::{PendingSnapshot, ReadTimes, Snapshot};
use super::switch::Switch;
use super::tracks::{LinkedRelease, Tracks};
use crate::dispatch::Host;
use crate::engine;
use crate::interface::WIT_VERSION;
use crate::outcome::Outcome;

/// The default age at which a snapshot is read again during the next event.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The age at which a snapshot is refreshed before an event begins. Only a process that was frozen reaches it.
pub const MAX_AGE_BEFORE_EVENT: Duration = Duration::from_secs(30);
/// The maximum time that an event waits for such a refresh.
pub const REFRESH_BUDGET: Duration = Duration::from_millis(50);
/// The number of generations between two snapshots that is too large for changes by operators.
const LARGE_JUMP: u64 = 1_000;
/// The time limit for a read or a load that an event starts. It continues after the event if it is not complete.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the profile of a host of this binary. Such a host runs releases of the app that it was deployed with, if one
/// of `keys` signed them and they are compiled for its engine and CPU. Returns `None` on a machine that no release is
/// compiled for.
#[must_use]
pub fn host_profile(keys: TrustedKeys, app: App) -> Option<HostProfile> {
    let target = engine::target()?;
    Some(HostProfile {
        keys,
        engine: engine::id(),
        target: target.to_owned(),
        cpu: engine::cpu_baseline(target)?.to_owned(),
        wit: WIT_VERSION.to_owned(),
        app,
    })
}

/// The options of a [`Follower`].
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// The releases that the host accepts.
    pub profile: HostProfile,
    /// The name of the host in reports and halts.
    pub host: String,
    /// The age at which a snapshot is read again during the next event.
    pub poll_interval: Duration,
}

/// Keeps a host in sync with the releases that its store says should run.
pub struct Follower {
    loader: Loader,
    /// The name of the host in reports and halts.
    name: String,
    poll_interval: Duration,
    read_times: ReadTimes,
    pending: Mutex<Option<PendingSnapshot>>,
    /// Held while a snapshot is applied, so that snapshots are applied one at a time.
    attempts: tokio::sync::Mutex<Attempts>,
    switch: Switch,
    budget: ErrorBudget,
    comparison: RateComparison,
    pending_halt: PendingHalt,
    reports: Reports,
}

impl Follower {
    /// Creates a follower of `store` for `host`. The host runs the release `deployed`, which it was deployed with.
    #[must_use]
    pub fn new(
        host: Arc<Host>,
        deployed: Release,
        store: Arc<dyn ReleaseReader>,
        options: FollowOptions,
        hooks: RolloutHooks,
    ) -> Arc<Self> {
        let hooks = Arc::new(hooks);
        let FollowOptions { profile, host: name, poll_interval } = options;
        let switch = Switch::new(Arc::clone(&host), Arc::clone(&hooks));
        Arc::new(Self {
            loader: Loader { host, deployed, store, profile, hooks },
            name,
            poll_interval,
            read_times: ReadTimes::default(),
            pending: Mutex::default(),
            attempts: tokio::sync::Mutex::default(),
            switch,
            budget: ErrorBudget::default(),
            comparison: RateComparison::default(),
            pending_halt: PendingHalt::default(),
            reports: Reports::default(),
        })
    }

    /// Reads the rollout state and applies it. Failures are logged and reported; the last good release stays active.
    pub async fn poll(&self, deadline: Deadline) {
        match self.read(deadline).await {
            Ok(snapshot) => self.apply(&snapshot, deadline).await,
            Err(error) => self.log_read_error(&error),
        }
        self.reports.send(self.store()).await;
        self.free();
    }

    /// Runs before an event. If the poll interval has passed, starts to read a new snapshot. If the current snapshot
    /// has reached [`MAX_AGE_BEFORE_EVENT`] or there is none, waits at most [`REFRESH_BUDGET`] for the new one.
    pub async fn before_event(self: &Arc<Self>) {
        if !self.read_times.is_due(self.poll_interval) {
            return;
        }
        if self.read_times.age().is_none_or(|age| age >= MAX_AGE_BEFORE_EVENT) {
            let until = Deadline::after(REFRESH_BUDGET).instant();
            if tokio::time::timeout_at(until.into(), self.refresh()).await.is_err() {
                tracing::warn!(
                    release = %self.host().release(),
                    "the rollout state was not refreshed within {} ms, so the event runs on the last good release",
                    REFRESH_BUDGET.as_millis()
                );
            }
            return;
        }
        let mut pending = self.pending();
        if pending.is_none() {
            let follower = Arc::clone(self);
            let reading = tokio::spawn(async move { follower.read(Deadline::after(LOAD_TIMEOUT)).await });
            *pending = Some(PendingSnapshot::Reading(reading));
        }
    }

    /// Counts an event. Returns true if the counts should be [written](Self::flush) at once.
    pub fn record(&self, outcome: &Outcome) -> bool {
        match self.host().canary() {
            // Both count.
            Some(canary) => self.budget.record(&canary, outcome) | self.comparison.record(&canary, outcome),
            None => false,
        }
    }

    /// Runs after an event's response: applies the snapshot that was read during the event, writes counts and reports,
    /// and frees replaced releases.
    pub async fn after_event(&self, deadline: Deadline) {
        let pending = self.pending().take();
        match pending {
            Some(PendingSnapshot::Read(snapshot)) => self.apply(&snapshot, deadline).await,
            Some(PendingSnapshot::Reading(mut reading)) => {
                match tokio::time::timeout_at(deadline.instant().into(), &mut reading).await {
                    Ok(Ok(Ok(snapshot))) => self.apply(&snapshot, deadline).await,
                    Ok(Ok(Err(error))) => self.log_read_error(&error),
                    // The task panicked; the next event reads again.
                    Ok(Err(_)) => {}
                    Err(_) => *self.pending() = Some(PendingSnapshot::Reading(reading)),
                }
            }
            None => {}
        }
        self.flush(deadline).await;
        self.reports.send(self.store()).await;
        self.free();
    }

    /// Writes the counts of the canary if they are due, and halts a canary that has exhausted its error budget.
    pub async fn flush(&self, deadline: Deadline) {
        if let Some(canary) = self.host().canary() {
            let counting = deadline.min(Deadline::after(STATUS_TIMEOUT));
            let failures = self.budget.flush(self.store(), &canary, counting).await;
            let spent = failures
                .map(|failures| format!("{failures} failures, and its error budget is {}", canary.error_budget));
            let reason = match spent {
                None => self.comparison.flush(self.store(), &canary, counting).await,
                spent => spent,
            };
            if let Some(reason) = reason {
                self.halt(canary, reason).await;
            }
        }
        self.pending_halt.publish(self.store(), deadline).await;
    }

    /// Frees the releases whose last event has ended. May block while the kernel unmaps their code.
    pub fn free(&self) {
        self.switch.free();
    }

    /// Reads a new snapshot and applies it. If this future is cancelled while a release loads, the snapshot is applied
    /// after the event.
    async fn refresh(&self) {
        match self.read(Deadline::after(LOAD_TIMEOUT)).await {
            Ok(snapshot) => {
                *self.pending() = Some(PendingSnapshot::Read(snapshot.clone()));
                self.apply(&snapshot, Deadline::after(LOAD_TIMEOUT)).await;
                self.pending().take();
            }
            Err(error) => self.log_read_error(&error),
        }
    }

    /// Halts a canary on this host, and keeps the halt for publication.
    async fn halt(&self, canary: Canary, reason: String) {
        let halt =
            Halt { run: canary.run, at: Timestamp::now(), host: self.name.clone(), reason, release: canary.release };
        // Logged before the lock is taken: a snapshot that is applied in the meantime ends this canary, because its
        // budget is exhausted.
        log_halt(&halt);
        (self.loader.hooks.on_event)(&RolloutEvent::Halted(halt.release.clone()));
        let attempts = self.attempts.lock().await;
        self.switch.stop_canary(&halt);
        drop(attempts);
        self.pending_halt.set(halt);
    }

    async fn read(&self, deadline: Deadline) -> Result<Snapshot, StoreError> {
        self.read_times.read(self.store(), Consistency::Eventual, deadline).await
    }

    /// Reads the rollout state again, because an older one was read than was applied before. A read can be a few
    /// seconds old. If the latest state is older too, somebody has restored or edited it, and the host follows it from
    /// there.
    async fn confirm(&self, attempts: &mut Attempts, deadline: Deadline) -> Option<Snapshot> {
        let snapshot = match self.read_times.read(self.store(), Consistency::Strong, deadline).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.log_read_error(&error);
                return None;
            }
        };
        let (before, now) = (attempts.generation(), snapshot.state.generation);
        if !attempts.is_outdated(now) {
            return Some(snapshot);
        }
        if now == 0 {
            // A file or a table that is lost must not stop the release that runs.
            if attempts.lose() {
                let hint = "restore the rollout state, or activate a release again";
                self.report_setback(format!("the rollout state is lost, after generation {before}"), hint);
            }
            return None;
        }
        let hint = "nothing, if the state was repaired or restored; the host follows it from there";
        self.report_setback(format!("the rollout state went back from generation {before} to {now}"), hint);
        attempts.go_back_to(now);
        Some(snapshot)
    }

    fn report_setback(&self, reason: String, hint: &str) {
        let active = self.host().release();
        tracing::error!(release = %active, code = Code::RolloutWentBack.as_str(), hint, "{reason}");
        self.reports.add(&self.name, &active, Some(reason));
    }

    /// Logs a failed read, at most once per poll interval.
    fn log_read_error(&self, error: &StoreError) {
        tracing::warn!(
            release = %self.host().release(),
            "cannot read the rollout state, so the release stays active: {error}"
        );
    }

    /// Runs the releases of a snapshot, except for those that do not load.
    async fn apply(&self, snapshot: &Snapshot, deadline: Deadline) {
        let mut attempts = self.attempts.lock().await;
        let confirmed = match attempts.is_outdated(snapshot.state.generation) {
            true => self.confirm(&mut attempts, deadline).await.map(Cow::Owned),
            false => Some(Cow::Borrowed(snapshot)),
        };
        let Some(snapshot) = confirmed else { return };
        let generation = snapshot.state.generation;
        let before = attempts.generation();
        if before > 0 && generation.saturating_sub(before) > LARGE_JUMP {
            tracing::warn!(
                release = %self.host().release(),
                "the rollout state jumped from generation {before} to {generation}, which the host follows"
            );
        }
        attempts.applied(generation);
        let desired = snapshot.desired(&self.loader.deployed.id);
        if let Some(halt) = &desired.halt
            && self.host().canary().is_some_and(|canary| canary.run == halt.run && !self.is_spent(&canary))
        {
            log_halt(halt);
        }
        let tracks = self.host().tracks();
        let stable = self.find_or_load(&mut attempts, &tracks, &desired.stable, generation, deadline).await;
        let canary = match desired.canary {
            Some(canary) if !self.is_spent(&canary) => {
                let linked = self.find_or_load(&mut attempts, &tracks, &canary.release, generation, deadline).await;
                linked.map(|linked| (canary, linked))
            }
            _ => None,
        };
        let stable = stable.unwrap_or_else(|| tracks.stable.clone());
        self.switch.swap(tracks, Tracks { stable, canary });
    }

    /// Returns a release that is already running or that can be loaded. Reports the result of loading it.
    async fn find_or_load(
        &self,
        attempts: &mut Attempts,
        tracks: &Tracks,
        id: &ReleaseId,
        generation: u64,
        deadline: Deadline,
    ) -> Option<LinkedRelease> {
        if let Some(linked) = tracks.find(id) {
            return Some(linked.clone());
        }
        if !attempts.may_try(id, generation) {
            return None;
        }
        match self.loader.load(id, deadline).await {
            Ok(linked) => {
                attempts.loaded(id);
                self.reports.add(&self.name, id, None);
                Some(linked)
            }
            Err(error) => {
                attempts.failed(id, generation);
                let active = self.host().release();
                let hint = error.hint.as_ref().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
                let reason = format!("{error}{hint}");
                tracing::error!(
                    release = %id, code = error.code.as_str(), hint = error.hint.as_deref(),
                    "cannot run the release, so `{active}` stays active: {reason}"
                );
                (self.loader.hooks.on_event)(&RolloutEvent::Refused(id.clone()));
                self.reports.add(&self.name, id, Some(reason));
                None
            }
        }
    }

    /// Returns true if this host knows that the canary must be halted.
    fn is_spent(&self, canary: &Canary) -> bool {
        self.budget.is_spent(canary) || self.comparison.is_spent(canary)
    }

    fn host(&self) -> &Host {
        &self.loader.host
    }

    fn store(&self) -> &dyn ReleaseReader {
        &*self.loader.store
    }

    fn pending(&self) -> MutexGuard<'_, Option<PendingSnapshot>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("host", self.host()).field("store", &self.store()).finish_non_exhaustive()
    }
}
