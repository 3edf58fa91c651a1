//! Swaps the tracks of the host, and frees the releases that were replaced.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_release::ReleaseId;
use tidegate_release::rollout::{Canary, Halt};

use super::hooks::{RolloutEvent, RolloutHooks};
use super::tracks::{Retired, Tracks};
use crate::dispatch::Host;

/// Swaps the tracks of the host.
pub(super) struct Switch {
    host: Arc<Host>,
    hooks: Arc<RolloutHooks>,
    retired: Mutex<Vec<Retired>>,
}

impl Switch {
    pub(super) fn new(host: Arc<Host>, hooks: Arc<RolloutHooks>) -> Self {
        Self { host, hooks, retired: Mutex::default() }
    }

    /// Runs later events on `new` instead of `old`, and logs the change.
    pub(super) fn swap(&self, old: Tracks, new: Tracks) {
        let (old_stable, old_canary) = ids(&old);
        let (stable, canary) = ids(&new);
        // From here on, only the host and its events keep a release alive.
        drop(old);
        if (&old_stable, &old_canary) == (&stable, &canary) {
            return;
        }
        let retired = self.host.swap_tracks(new);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).extend(retired);
        if old_stable != stable {
            tracing::info!(release = %stable, "the release has taken the place of `{old_stable}`");
        }
        match &canary {
            Some(canary) if old_canary.as_ref() != Some(canary) => {
                tracing::info!(release = %canary.release, "a canary takes {} of the connections", canary.weight);
            }
            None if old_canary.is_some() => tracing::info!(release = %stable, "the canary has ended"),
            _ => {}
        }
        (self.hooks.on_event)(&RolloutEvent::Swapped { stable, canary: canary.map(|canary| canary.release) });
    }

    /// Ends the canary of a halt on this host.
    pub(super) fn stop_canary(&self, halt: &Halt) {
        let tracks = self.host.tracks();
        if tracks.canary.as_ref().is_some_and(|(canary, _)| canary.run == halt.run) {
            let stable = tracks.stable.clone();
            self.swap(tracks, Tracks::stable(stable));
        }
    }

    /// Frees the releases whose last event has ended. May block while the kernel unmaps their code.
    pub(super) fn free(&self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let idle: Vec<_> = retired.extract_if(.., |retired| retired.is_idle()).collect();
        drop(retired);
        drop(idle);
    }
}

fn ids(tracks: &Tracks) -> (ReleaseId, Option<Canary>) {
    let canary = tracks.canary.as_ref().map(|(canary, _)| canary.clone());
    (tracks.stable.release().clone(), canary)
}
