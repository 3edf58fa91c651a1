//! A running host follows the pointer: it notices that another release is to run, loads it, and swaps.
//!
//! A host on Lambda is stopped between events, so it looks when events come: an event whose reading is older than the
//! maximum staleness reads the pointer while it runs, and what is new is loaded after its response. A reading above the hard
//! bound, as after a thaw, is renewed before the event, for a moment at most. A host that is never stopped
//! [polls](Follower::poll).
//!
//! Whatever is wrong with a release, its store or its status, the last good release goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_app::App;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::rollout::{Canary, Halt};
use tidegate_release::store::{Consistency, LoadReport, ReleaseReader, StoreError};
use tidegate_release::verify::HostProfile;
use tidegate_release::{Release, ReleaseId, TrustedKeys};
use tokio::task::JoinHandle;

use super::error_budget::Budget;
use super::loader::{self, Candidates};
use super::snapshot::{Age, Ages, Reading};
use super::tracks::{LinkedRelease, Retired, Tracks};
use super::{RolloutEvent, RolloutHooks};
use crate::dispatch::{Host, Outcome};
use crate::engine;
use crate::interface::WIT_VERSION;

/// How old a reading may be before the next event renews it, unless the host is told otherwise.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How old a reading may be for an event to begin on it: more is the age of one from before the process was stopped.
pub const MAX_AGE_BEFORE_EVENT: Duration = Duration::from_secs(30);
/// How long an event waits for such a reading to be renewed.
pub const REFRESH_BUDGET: Duration = Duration::from_millis(50);
/// How long reading the pointer may take.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// How long loading a release may take that was begun before an event: it goes on after it.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one write of the status may take.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);

/// What a host of this binary believes and runs: releases that one of these `keys` signed, of the app that it was deployed
/// with, for its own engine and CPU. None on a machine that no release is compiled for.
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

/// How long a host waits before it tells the others of a halt again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How a host follows.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// What it believes and runs.
    pub terms: HostProfile,
    /// How it calls itself in the status.
    pub host: String,
    /// How old a reading may be before the next event renews it.
    pub poll_interval: Duration,
}

/// What a host does not keep itself: its store's word on which releases run.
pub struct Follower {
    pub(super) host: Arc<Host>,
    /// The release that it was deployed with.
    pub(super) deployed: Release,
    pub(super) store: Arc<dyn ReleaseReader>,
    pub(super) options: FollowOptions,
    pub(super) hooks: RolloutHooks,
    /// When the pointer was read last, and when that was last tried.
    ages: Mutex<Ages>,
    /// What is left to be done after an event.
    pending: Mutex<Option<Pending>>,
    /// What is to be reported.
    reports: Mutex<Vec<(ReleaseId, LoadReport)>>,
    /// Held while another release is made to run: one at a time.
    candidates: tokio::sync::Mutex<Candidates>,
    budget: Budget,
    /// A halt that the store does not know yet.
    pending_halt: Mutex<Option<Halt>>,
    retired: Mutex<Vec<Retired>>,
}

/// A reading that is to be applied after an event.
enum Pending {
    /// It is being read while the event runs.
    Reading(JoinHandle<Result<Reading, StoreError>>),
    /// It was read, and there was no time to load what it names.
    Read(Reading),
}

impl Follower {
    /// Follows `store` for `host`, which runs the release that it was `deployed` with.
    #[must_use]
    pub fn new(
        host: Arc<Host>,
        deployed: Release,
        store: Arc<dyn ReleaseReader>,
        options: FollowOptions,
        hooks: RolloutHooks,
    ) -> Arc<Self> {
        Arc::new(Self {
            host,
            deployed,
            store,
            options,
            hooks,
            ages: Mutex::default(),
            pending: Mutex::default(),
            reports: Mutex::default(),
            candidates: tokio::sync::Mutex::default(),
            budget: Budget::default(),
            pending_halt: Mutex::default(),
            retired: Mutex::default(),
        })
    }

    /// Reads the pointer, and makes what it names run. What is wrong is logged and reported; the last good release goes on.
    pub async fn poll(&self, deadline: Deadline) {
        match self.read(deadline).await {
            Ok(reading) => self.apply(&reading, deadline).await,
            Err(error) => self.log_read_error(&error),
        }
        self.send_reports().await;
        self.free();
    }

    /// Before an event: begins to renew a reading that is stale, and waits a moment for one that is above the hard bound.
    pub async fn before_event(self: &Arc<Self>) {
        if !self.is_due() {
            return;
        }
        if self.ages().read.of().is_none_or(|age| age >= MAX_AGE_BEFORE_EVENT) {
            let until = Deadline::after(REFRESH_BUDGET).instant();
            if tokio::time::timeout_at(until.into(), self.renew()).await.is_err() {
                tracing::warn!(
                    release = %self.host.release(),
                    "what is to run was not ready within {} ms, so the event runs on the last good release", REFRESH_BUDGET.as_millis()
                );
            }
            return;
        }
        let mut pending = self.pending();
        if pending.is_none() {
            let follower = Arc::clone(self);
            let reading = tokio::spawn(async move { follower.read(Deadline::after(READ_TIMEOUT)).await });
            *pending = Some(Pending::Reading(reading));
        }
    }

    /// Reads the pointer, and makes what it names run. Dropped in between, the rest is done after the event.
    async fn renew(&self) {
        match self.read(Deadline::after(READ_TIMEOUT)).await {
            Ok(reading) => {
                *self.pending() = Some(Pending::Read(reading.clone()));
                self.apply(&reading, Deadline::after(LOAD_TIMEOUT)).await;
                self.pending().take();
            }
            Err(error) => self.log_read_error(&error),
        }
    }

    /// Counts an event; whether what was counted should be [written](Self::flush) at once.
    pub fn record(&self, outcome: &Outcome) -> bool {
        match self.canary() {
            Some(canary) => self.budget.record(&canary, outcome),
            None => false,
        }
    }

    /// After an event's response: makes run what was read during it, writes what was counted, and frees what has ended.
    pub async fn after_event(&self, deadline: Deadline) {
        let pending = self.pending().take();
        match pending {
            Some(Pending::Read(reading)) => self.apply(&reading, deadline).await,
            Some(Pending::Reading(mut reading)) => {
                match tokio::time::timeout_at(deadline.instant().into(), &mut reading).await {
                    Ok(Ok(Ok(reading))) => self.apply(&reading, deadline).await,
                    Ok(Ok(Err(error))) => self.log_read_error(&error),
                    // It panicked; the next event reads again.
                    Ok(Err(_)) => {}
                    Err(_) => *self.pending() = Some(Pending::Reading(reading)),
                }
            }
            None => {}
        }
        self.flush(deadline).await;
        self.send_reports().await;
        self.free();
    }

    /// Writes what canaries have done, where it is due; halts the one that has spent its budget.
    pub async fn flush(&self, deadline: Deadline) {
        if let Some(canary) = self.canary() {
            let counting = deadline.min(Deadline::after(STATUS_TIMEOUT));
            if let Some(spent) = self.budget.flush(&*self.store, &canary, counting).await {
                self.halt(canary, spent).await;
            }
        }
        self.publish_halt(deadline).await;
    }

    /// Halts a canary here, and keeps in mind to tell the others.
    async fn halt(&self, canary: Canary, failures: u64) {
        let halt = Halt {
            run: canary.run,
            at: Timestamp::now(),
            host: self.options.host.clone(),
            reason: format!("{failures} failures, and its error budget is {}", canary.error_budget),
            release: canary.release,
        };
        // Here, because the canary may have ended by now: whoever reads the pointer meanwhile finds its budget spent.
        halted(&halt);
        (self.hooks.on_event)(&RolloutEvent::Halted(halt.release.clone()));
        self.stop(&halt).await;
        *self.pending_halt() = Some(halt);
    }

    /// Tells the others of a halt, again until it is known or the deadline comes; then it is tried after the next event.
    async fn publish_halt(&self, deadline: Deadline) {
        loop {
            let Some(halt) = self.pending_halt().take() else { return };
            let told = self.store.record_halt(&halt, deadline.min(Deadline::after(STATUS_TIMEOUT))).await;
            let Err(error) = told else { return };
            tracing::error!(release = %halt.release, "cannot tell the others that the canary is halted: {error}");
            *self.pending_halt() = Some(halt);
            if deadline.remaining() <= RETRY_PAUSE {
                return;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Frees releases whose last event has ended. It may wait for the kernel.
    pub fn free(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let idle: Vec<_> = retired.extract_if(.., |retired| retired.is_idle()).collect();
        drop(retired);
        drop(idle);
    }

    async fn read(&self, deadline: Deadline) -> Result<Reading, StoreError> {
        let began = Age::now();
        self.ages().tried = began;
        let deadline = deadline.min(Deadline::after(READ_TIMEOUT));
        let pointer = self.store.rollout_state(Consistency::Eventual, deadline).await?;
        let halt = match &pointer.canary {
            Some(canary) => self.store.halt(canary.run, deadline).await?,
            None => None,
        };
        self.ages().read = began;
        Ok(Reading { pointer, halt })
    }

    fn log_read_error(&self, error: &StoreError) {
        // Once in a while: the next try is a maximum staleness away.
        tracing::warn!(release = %self.host.release(), "cannot read the pointer, so the release goes on: {error}");
    }

    /// Makes what was read run, as far as that can be loaded.
    async fn apply(&self, reading: &Reading, deadline: Deadline) {
        let mut candidates = self.candidates.lock().await;
        if !candidates.is_newer(reading.pointer.generation) {
            return;
        }
        let wanted = reading.wanted(&self.deployed.id);
        if let Some(halt) = &wanted.halt
            && self.canary().is_some_and(|canary| canary.run == halt.run && !self.budget.is_spent(&canary))
        {
            halted(halt);
        }
        let tracks = self.host.tracks();
        let stable = self.candidate(&mut candidates, &tracks, &wanted.stable, reading, deadline).await;
        let canary = match &wanted.canary {
            Some(canary) if !self.budget.is_spent(canary) => {
                let linked = self.candidate(&mut candidates, &tracks, &canary.release, reading, deadline).await;
                linked.map(|linked| (canary.clone(), linked))
            }
            _ => None,
        };
        // What does not load leaves the release that runs.
        let stable = stable.unwrap_or_else(|| tracks.stable.clone());
        self.swap(tracks, Tracks { stable, canary });
    }

    async fn candidate(
        &self,
        candidates: &mut Candidates,
        tracks: &Tracks,
        id: &ReleaseId,
        reading: &Reading,
        deadline: Deadline,
    ) -> Option<LinkedRelease> {
        if let Some(linked) = tracks.find(id) {
            return Some(linked.clone());
        }
        if !candidates.may_try(id, reading.pointer.generation) {
            return None;
        }
        match loader::link(self, id, deadline).await {
            Ok(linked) => {
                candidates.loaded(id);
                self.report(id, None);
                Some(linked)
            }
            Err(reason) => {
                candidates.refused(id, reading.pointer.generation);
                tracing::error!(release = %id, "cannot run the release, so `{}` goes on: {reason}", self.host.release());
                (self.hooks.on_event)(&RolloutEvent::Refused(id.clone()));
                self.report(id, Some(reason));
                None
            }
        }
    }

    fn swap(&self, old: Tracks, new: Tracks) {
        let ids = |tracks: &Tracks| {
            let canary = tracks.canary.as_ref().map(|(canary, _)| canary.clone());
            (tracks.stable.release().clone(), canary)
        };
        let (before, (stable, canary)) = (ids(&old), ids(&new));
        // Only the host holds what it runs, so that it is seen when the last event has ended.
        drop(old);
        if before == (stable.clone(), canary.clone()) {
            return;
        }
        let retired = self.host.swap_tracks(new);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).extend(retired);
        if before.0 != stable {
            tracing::info!(release = %stable, "the release has taken the place of `{}`", before.0);
        }
        match &canary {
            Some(canary) if before.1.as_ref() != Some(canary) => {
                tracing::info!(release = %canary.release, "a canary takes {} of the connections", canary.weight);
            }
            None if before.1.is_some() => tracing::info!(release = %stable, "the canary has ended"),
            _ => {}
        }
        (self.hooks.on_event)(&RolloutEvent::Swapped { stable, canary: canary.map(|canary| canary.release) });
    }

    /// Takes the canary of a halt out of service.
    async fn stop(&self, halt: &Halt) {
        let _one_at_a_time = self.candidates.lock().await;
        let tracks = self.host.tracks();
        if tracks.canary.as_ref().is_some_and(|(canary, _)| canary.run == halt.run) {
            let stable = tracks.stable.clone();
            self.swap(tracks, Tracks::stable(stable));
        }
    }

    fn report(&self, release: &ReleaseId, failure: Option<String>) {
        let report = loader::report(&self.options.host, failure);
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push((release.clone(), report));
    }

    /// Best effort: hosts go on whether it is known or not.
    async fn send_reports(&self) {
        let reports = std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        for (release, report) in reports {
            if let Err(error) = self.store.record_load(&release, &report, Deadline::after(STATUS_TIMEOUT)).await {
                tracing::warn!(release = %release, "cannot report on the release: {error}");
            }
        }
    }

    fn canary(&self) -> Option<Canary> {
        self.host.canary()
    }

    /// Whether it is time to read the pointer: neither was it read nor has that failed a moment ago.
    fn is_due(&self) -> bool {
        self.ages().tried.of().is_none_or(|age| age >= self.options.poll_interval)
    }

    fn pending_halt(&self) -> MutexGuard<'_, Option<Halt>> {
        self.pending_halt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Option<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ages(&self) -> MutexGuard<'_, Ages> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn halted(halt: &Halt) {
    tracing::error!(release = %halt.release, "the canary is halted, by `{}`: {}", halt.host, halt.reason);
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("host", &self.host).field("store", &self.store).finish_non_exhaustive()
    }
}
