//! Loads, verifies and links releases, and backs off after a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_ports::Deadline;
use tidegate_release::store::ReleaseReader;
use tidegate_release::verify::{HostProfile, load};
use tidegate_release::{Release, ReleaseId};

use super::hooks::RolloutHooks;
use super::tracks::LinkedRelease;
use crate::dispatch::Host;

/// Initial back-off after a release fails to load; doubled on each failure.
const INITIAL_BACKOFF: Duration = Duration::from_secs(2);
/// The maximum back-off. A repair in the store is noticed after this time at the latest.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Turns the id of a release into a linked release.
pub(super) struct Loader {
    pub(super) host: Arc<Host>,
    /// The release that the host was deployed with, which needs no store.
    pub(super) deployed: Release,
    pub(super) store: Arc<dyn ReleaseReader>,
    pub(super) profile: HostProfile,
    pub(super) hooks: Arc<RolloutHooks>,
}

impl Loader {
    /// Loads, verifies and links a release.
    ///
    /// # Errors
    /// The reason why the release must not run.
    pub(super) async fn load(&self, id: &ReleaseId, deadline: Deadline) -> Result<LinkedRelease, Diagnostic> {
        let release = if *id == self.deployed.id {
            self.deployed.clone()
        } else {
            let select = |app: &mut _| (self.hooks.select)(app);
            let loading = load(&*self.store, id, &self.profile, select, deadline);
            loading.await.map_err(Diagnostic::from)?
        };
        (self.hooks.prepare)(&release, deadline).await?;
        let linking = link_on_blocking_thread(Arc::clone(&self.host), release);
        let linked = tokio::time::timeout_at(deadline.instant().into(), linking).await;
        linked.unwrap_or_else(|_| {
            let why = "there was not enough time";
            Err(Diagnostic::new(Code::ReleaseLink, "cannot link the release", why))
        })
    }
}

/// Links a release on a blocking thread. Linking takes milliseconds of CPU time, which would delay events on the
/// executor's threads.
async fn link_on_blocking_thread(host: Arc<Host>, release: Release) -> Result<LinkedRelease, Diagnostic> {
    let linking = tokio::task::spawn_blocking(move || host.link(&release));
    let linked = linking.await.diagnose(Code::ReleaseLink, || "cannot link the release")?;
    linked.map_err(Diagnostic::from)
}

/// The newest generation that was applied, and the back-off of releases that failed to load.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The newest generation that was applied. An eventually consistent read may return an older one.
    generation: u64,
    /// True if the latest state was lost, and that was reported.
    lost: bool,
    failed: HashMap<ReleaseId, FailedAttempt>,
}

#[derive(Debug)]
struct FailedAttempt {
    /// The generation that named the release. The next generation starts a new attempt.
    generation: u64,
    retry_at: Instant,
    backoff: Duration,
}

impl Attempts {
    /// Returns true if this generation is older than one that was applied.
    pub(super) fn is_outdated(&self, generation: u64) -> bool {
        generation < self.generation
    }

    /// Returns the newest generation that was applied.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Follows the rollout state from this generation on, although it is older than one that was applied.
    pub(super) fn go_back_to(&mut self, generation: u64) {
        *self = Self { generation, ..Self::default() };
    }

    /// Records that the state is lost. Returns true the first time.
    pub(super) fn lose(&mut self) -> bool {
        !std::mem::replace(&mut self.lost, true)
    }

    /// Records that this generation is applied.
    pub(super) fn applied(&mut self, generation: u64) {
        self.generation = self.generation.max(generation);
        self.lost = false;
    }

    /// Returns true unless the release is in its back-off.
    pub(super) fn may_try(&self, id: &ReleaseId, generation: u64) -> bool {
        let failed = self.failed.get(id);
        failed.is_none_or(|failed| failed.generation != generation || failed.retry_at <= Instant::now())
    }

    /// Starts or doubles the back-off of a release.
    pub(super) fn failed(&mut self, id: &ReleaseId, generation: u64) {
        let previous = self.failed.get(id).filter(|previous| previous.generation == generation);
        let backoff = previous.map_or(INITIAL_BACKOFF, |previous| (previous.backoff * 2).min(MAX_BACKOFF));
        let retry_at = Instant::now() + backoff;
        // Releases that only earlier generations named are no longer needed.
        self.failed.retain(|_, failed| failed.generation == generation);
        self.failed.insert(id.clone(), FailedAttempt { generation, retry_at, backoff });
    }

    /// Ends the back-off of a release.
    pub(super) fn loaded(&mut self, id: &ReleaseId) {
        self.failed.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_failed_backs_off_until_another_generation_names_it() {
        let mut attempts = Attempts::default();
        let id: ReleaseId = "0123456789abcdef".parse().unwrap();
        assert!(attempts.may_try(&id, 1));
        attempts.failed(&id, 1);
        assert!(!attempts.may_try(&id, 1));
        assert!(attempts.may_try(&id, 2));
        for _ in 0..10 {
            attempts.failed(&id, 1);
        }
        assert_eq!(attempts.failed.get(&id).unwrap().backoff, MAX_BACKOFF);
        attempts.failed.get_mut(&id).unwrap().retry_at = Instant::now();
        assert!(attempts.may_try(&id, 1));
        attempts.loaded(&id);
        assert!(attempts.failed.is_empty());
    }

    #[test]
    fn an_older_generation_is_outdated() {
        let mut attempts = Attempts::default();
        for (generation, outdated) in [(0, false), (3, false), (3, false), (2, true), (4, false)] {
            assert_eq!(attempts.is_outdated(generation), outdated);
            attempts.applied(generation);
        }
        assert_eq!((attempts.lose(), attempts.lose()), (true, false));
        attempts.applied(4);
        assert!(attempts.lose());
        attempts.go_back_to(2);
        assert_eq!((attempts.is_outdated(2), attempts.is_outdated(1)), (false, true));
    }
}
