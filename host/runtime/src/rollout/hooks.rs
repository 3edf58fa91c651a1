//! Customization points for one kind of host.

use std::fmt;

use futures_util::future::{self, BoxFuture};
use tidegate_app::App;
use tidegate_diagnostic::Diagnostic;
use tidegate_ports::Deadline;
use tidegate_release::{Release, ReleaseId};

/// Reduces the app of a release to the part that this host serves.
pub type Select = Box<dyn Fn(&mut App) + Send + Sync>;
/// Fetches the configuration that a release needs before it runs. Returns an error if the release must not run.
pub type Prepare = Box<dyn for<'a> Fn(&'a Release, Deadline) -> BoxFuture<'a, Result<(), Diagnostic>> + Send + Sync>;
/// Receives a rollout event after it was logged.
pub type OnEvent = Box<dyn Fn(&RolloutEvent) + Send + Sync>;

/// Customization points for one kind of host. The default serves the whole app, prepares nothing and ignores events.
pub struct RolloutHooks {
    /// Reduces the app of a release to the part that this host serves.
    pub select: Select,
    /// Fetches the configuration that a release needs before it runs.
    pub prepare: Prepare,
    /// Receives each rollout event.
    pub on_event: OnEvent,
}

/// An event of a rollout on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RolloutEvent {
    /// The host now runs other releases.
    Swapped {
        /// The stable release.
        stable: ReleaseId,
        /// The canary release.
        canary: Option<ReleaseId>,
    },
    /// A release failed to load.
    Refused(ReleaseId),
    /// This host halted a canary.
    Halted(ReleaseId),
}

impl Default for RolloutHooks {
    fn default() -> Self {
        Self {
            select: Box::new(|_| ()),
            prepare: Box::new(|_, _| Box::pin(future::ready(Ok(())))),
            on_event: Box::new(|_| ()),
        }
    }
}

impl fmt::Debug for RolloutHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolloutHooks").finish_non_exhaustive()
    }
}
