//! The releases that new events run on: the stable release, and possibly a canary.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_event::ConnectionId;
use tidegate_release::ReleaseId;
use tidegate_release::rollout::Canary;
use tokio::sync::oneshot;

use crate::routes::Routes;

/// The release that an event runs on, and its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRelease {
    /// The id of the release.
    pub release: ReleaseId,
    /// The track of the event's connection.
    pub track: Track,
}

/// One of the two releases that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Track {
    /// Serves every connection that is not assigned to the canary.
    Stable,
    /// Serves the connections that are assigned to the canary.
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

/// A release that was loaded, checked and linked for one engine. Clones share the release.
#[derive(Debug, Clone)]
pub struct LinkedRelease(pub(crate) Arc<SharedRoutes>);

impl LinkedRelease {
    pub(crate) fn new(routes: Routes) -> Self {
        let end = EndSignal(Mutex::default());
        Self(Arc::new(SharedRoutes { routes: Arc::new(routes), end }))
    }

    /// Returns the id of the release.
    #[must_use]
    pub fn release(&self) -> &ReleaseId {
        self.0.release()
    }

    fn retire(self) -> Retired {
        let (sender, ended) = oneshot::channel();
        *self.0.end.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Retired { routes: Arc::clone(&self.0.routes), ended }
    }
}

/// The routes of a release, as the host and its events share them.
///
/// The [`Retired`] handle is notified when the last share is dropped. Taking and dropping a share need no lock.
#[derive(Debug)]
pub(crate) struct SharedRoutes {
    // Dropped before the signal, so that the handle holds the last reference when it is notified.
    routes: Arc<Routes>,
    end: EndSignal,
}

impl Deref for SharedRoutes {
    type Target = Routes;

    fn deref(&self) -> &Routes {
        &self.routes
    }
}

/// Notifies a [`Retired`] handle when it is dropped.
#[derive(Debug)]
struct EndSignal(Mutex<Option<oneshot::Sender<()>>>);

impl Drop for EndSignal {
    fn drop(&mut self) {
        if let Some(sender) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // If the handle was dropped, nobody waits.
            let _ = sender.send(());
        }
    }
}

/// The releases that new events run on.
#[derive(Debug, Clone)]
pub struct Tracks {
    /// The stable release.
    pub stable: LinkedRelease,
    /// The canary, with the rule that assigns connections to it.
    pub canary: Option<(Canary, LinkedRelease)>,
}

impl Tracks {
    /// Returns tracks that run one release for every connection.
    #[must_use]
    pub fn stable(stable: LinkedRelease) -> Self {
        Self { stable, canary: None }
    }

    /// Returns the routes for an event of this connection, and the track of the connection.
    pub(crate) fn choose(&self, connection: &ConnectionId) -> (&Arc<SharedRoutes>, Track) {
        match &self.canary {
            Some((rule, canary)) if rule.serves(connection) => (&canary.0, Track::Canary),
            _ => (&self.stable.0, Track::Stable),
        }
    }

    /// Returns the release with this id, if it is one of the two.
    #[must_use]
    pub fn find(&self, id: &ReleaseId) -> Option<&LinkedRelease> {
        let canary = self.canary.as_ref().map(|(_, canary)| canary);
        [Some(&self.stable), canary].into_iter().flatten().find(|linked| linked.release() == id)
    }

    /// Retires the releases that are not in `next`.
    pub(crate) fn retire(self, next: &Self) -> Vec<Retired> {
        let canary = self.canary.map(|(_, canary)| canary);
        let old = [Some(self.stable), canary].into_iter().flatten();
        let kept = |old: &LinkedRelease| next.find(old.release()).is_some_and(|new| Arc::ptr_eq(&new.0, &old.0));
        old.filter(|old| !kept(old)).map(LinkedRelease::retire).collect()
    }
}

/// A release that was replaced. Its memory is freed when this handle is dropped after the last event on it has ended.
#[derive(Debug)]
#[must_use = "if it is dropped while events are under way, the last of them frees the release"]
pub struct Retired {
    routes: Arc<Routes>,
    ended: oneshot::Receiver<()>,
}

impl Retired {
    /// Returns the id of the release.
    #[must_use]
    pub fn release(&self) -> &ReleaseId {
        self.routes.release()
    }

    /// Returns true if the last event on the release has ended.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Waits until the last event on the release has ended. Returns the release, which the caller should drop on a
    /// thread that may block.
    pub async fn idle(self) -> IdleRelease {
        let Self { routes, ended } = self;
        // An error means that the signal is gone, and with it every event.
        let _ = ended.await;
        IdleRelease { _routes: routes }
    }
}

/// A release that no event uses. Dropping it unmaps its code, which may wait for the kernel.
#[derive(Debug)]
#[must_use = "dropping it frees the release, which may block"]
pub struct IdleRelease {
    _routes: Arc<Routes>,
}
