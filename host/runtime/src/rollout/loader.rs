//! From a release's id to one that is linked, and what became of those that are not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::store::{LoadReport, MAX_REASON_BYTES};
use tidegate_release::verify::load;
use tidegate_release::{Release, ReleaseId};

use super::LinkedRelease;
use super::follower::Follower;

/// How long a release that was refused is let be; twice as long each time it is refused again.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest that it is let be: what is mended in the store is noticed in this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The releases that were to run.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The newest pointer that was applied: an eventually consistent reading may be older.
    generation: u64,
    refused: HashMap<ReleaseId, Refused>,
}

#[derive(Debug)]
struct Refused {
    /// Of the pointer that named it: another that does is another try.
    generation: u64,
    until: Instant,
    pause: Duration,
}

impl Candidates {
    /// Whether a pointer is at least as new as any before.
    pub(super) fn is_newer(&mut self, generation: u64) -> bool {
        let newer = generation >= self.generation;
        self.generation = self.generation.max(generation);
        newer
    }

    /// Whether a release is to be tried: not while it is let be.
    pub(super) fn may_try(&self, id: &ReleaseId, generation: u64) -> bool {
        self.refused.get(id).is_none_or(|it| it.generation != generation || it.until <= Instant::now())
    }

    /// A release was refused.
    pub(super) fn refused(&mut self, id: &ReleaseId, generation: u64) {
        let before = self.refused.get(id).filter(|before| before.generation == generation);
        let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        let until = Instant::now() + pause;
        // Those of other pointers are not asked for any more.
        self.refused.retain(|_, it| it.generation == generation);
        self.refused.insert(id.clone(), Refused { generation, until, pause });
    }

    /// A release was loaded.
    pub(super) fn loaded(&mut self, id: &ReleaseId) {
        self.refused.remove(id);
    }
}

/// Loads, verifies and links a release, or the one that the host was deployed with.
pub(super) async fn link(follower: &Follower, id: &ReleaseId, deadline: Deadline) -> Result<LinkedRelease, String> {
    let Follower { host, deployed, store, options, hooks, .. } = follower;
    let release = match *id == deployed.id {
        true => deployed.clone(),
        false => {
            let loading = load(&**store, id, &options.terms, |app| (hooks.select)(app), deadline);
            loading.await.map_err(|error| error.to_string())?
        }
    };
    (hooks.prepare)(&release, deadline).await?;
    let linked = link_off_the_executor(Arc::clone(host), release);
    match tokio::time::timeout_at(deadline.instant().into(), linked).await {
        Ok(linked) => linked,
        Err(_) => Err("there was not enough time to link it".to_owned()),
    }
}

/// Linking computes for milliseconds, for which no event is to wait.
async fn link_off_the_executor(host: Arc<crate::Host>, release: Release) -> Result<LinkedRelease, String> {
    let linking = tokio::task::spawn_blocking(move || host.link(&release));
    match linking.await {
        Ok(linked) => linked.map_err(|error| error.to_string()),
        Err(error) => Err(format!("linking it failed: {error}")),
    }
}

/// What a host says of a release.
pub(super) fn report(host: &str, failure: Option<String>) -> LoadReport {
    let failure = failure.map(|mut reason| {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        reason
    });
    LoadReport { at: Timestamp::now(), host: host.to_owned(), failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_was_refused_is_let_be_until_another_pointer_names_it() {
        let mut candidates = Candidates::default();
        let id: ReleaseId = "0123456789abcdef".parse().unwrap();
        assert!(candidates.may_try(&id, 1));
        candidates.refused(&id, 1);
        assert!(!candidates.may_try(&id, 1));
        assert!(candidates.may_try(&id, 2));
        for _ in 0..10 {
            candidates.refused(&id, 1);
        }
        assert_eq!(candidates.refused.get(&id).unwrap().pause, LONGEST_PAUSE);
        candidates.refused.get_mut(&id).unwrap().until = Instant::now();
        assert!(candidates.may_try(&id, 1));
        candidates.loaded(&id);
        assert!(candidates.refused.is_empty());
    }

    #[test]
    fn an_older_pointer_is_not_applied() {
        let mut candidates = Candidates::default();
        assert!(candidates.is_newer(0));
        assert!(candidates.is_newer(3));
        assert!(candidates.is_newer(3));
        assert!(!candidates.is_newer(2));
        assert!(candidates.is_newer(4));
    }
}
