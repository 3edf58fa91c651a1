//! The releases that events begin on: the stable one, and a canary beside it.

use std::fmt;
use std::sync::Arc;

use tidegate_event::ConnectionId;
use tidegate_release::ReleaseId;
use tidegate_release::rollout::Canary;

use crate::routes::Routes;

tokio::task_local! {
    /// What the event that this task works on runs on: for the log lines of ports, which know of no event.
    pub static ACTIVE_RELEASE: ActiveRelease;
}

/// What an event runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRelease {
    /// The release.
    pub release: ReleaseId,
    /// The track that led there.
    pub track: Track,
}

/// Which of the two releases that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Track {
    /// The one that connections run on which the canary does not take.
    Stable,
    /// The canary.
    Canary,
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        })
    }
}

/// A release that was loaded, checked and linked for one engine. A clone is the same.
#[derive(Debug, Clone)]
pub struct LinkedRelease(pub(crate) Arc<Routes>);

impl LinkedRelease {
    /// The release.
    #[must_use]
    pub fn release(&self) -> &ReleaseId {
        self.0.release()
    }
}

/// The releases that events begin on.
#[derive(Debug, Clone)]
pub struct Tracks {
    /// The stable one.
    pub stable: LinkedRelease,
    /// The canary, and which connections it takes.
    pub canary: Option<(Canary, LinkedRelease)>,
}

impl Tracks {
    /// One release for every connection.
    #[must_use]
    pub fn stable(stable: LinkedRelease) -> Self {
        Self { stable, canary: None }
    }

    /// The release of one connection's events.
    pub(crate) fn choose(&self, connection: &ConnectionId) -> (&Arc<Routes>, Track) {
        match &self.canary {
            Some((rule, canary)) if rule.takes(connection) => (&canary.0, Track::Canary),
            _ => (&self.stable.0, Track::Stable),
        }
    }

    /// The release of this id, where it is one of the two.
    #[must_use]
    pub fn find(&self, id: &ReleaseId) -> Option<&LinkedRelease> {
        let canary = self.canary.as_ref().map(|(_, canary)| canary);
        [Some(&self.stable), canary].into_iter().flatten().find(|linked| linked.release() == id)
    }

    /// Those of `self` that are not in `next`.
    pub(crate) fn retire(self, next: &Self) -> Vec<Retired> {
        let canary = self.canary.map(|(_, canary)| canary);
        let old = [Some(self.stable), canary].into_iter().flatten();
        let kept = |old: &LinkedRelease| next.find(old.release()).is_some_and(|new| Arc::ptr_eq(&new.0, &old.0));
        old.filter(|old| !kept(old)).map(|LinkedRelease(router)| Retired(router)).collect()
    }
}

/// A release that was replaced. It is freed once this is dropped and the last event that began on it has ended.
#[derive(Debug)]
#[must_use = "dropped while events are under way, it is freed by the last of them"]
pub struct Retired(Arc<Routes>);

impl Retired {
    /// The release.
    #[must_use]
    pub fn release(&self) -> &ReleaseId {
        self.0.release()
    }

    /// Whether the last event that began on it has ended.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        // Nobody but the host gives it to events, and the host has another by now.
        Arc::strong_count(&self.0) == 1
    }
}
