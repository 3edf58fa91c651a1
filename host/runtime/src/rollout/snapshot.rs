//! What was read of a store, and how old that is.

use std::time::{Duration, Instant, SystemTime};

use tidegate_release::ReleaseId;
use tidegate_release::rollout::{Canary, Halt, RolloutState};

/// What was read at one time.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) pointer: RolloutState,
    /// Why its canary was halted.
    pub(super) halt: Option<Halt>,
}

/// What is to run.
pub(super) struct Wanted {
    pub(super) stable: ReleaseId,
    pub(super) canary: Option<Canary>,
    /// Why the pointer's canary is not to run.
    pub(super) halt: Option<Halt>,
}

impl Reading {
    /// What is to run on a host that was `deployed` with a release.
    pub(super) fn wanted(&self, deployed: &ReleaseId) -> Wanted {
        let stable = self.pointer.active.as_ref().unwrap_or(deployed).clone();
        let canary = self.pointer.canary.as_ref();
        let halt = self.halt.clone().filter(|halt| canary.is_some_and(|canary| canary.run == halt.run));
        let canary = canary.filter(|canary| canary.release != stable && halt.is_none()).cloned();
        Wanted { stable, canary, halt }
    }
}

/// When something was read, by both clocks: the monotonic one may stand still while a process is stopped, and the wall
/// clock may be set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Age(Option<(Instant, SystemTime)>);

/// When the pointer was read last, and when that was last tried.
#[derive(Debug, Default)]
pub(super) struct Ages {
    pub(super) read: Age,
    pub(super) tried: Age,
}

impl Age {
    /// It is read now.
    pub(super) fn now() -> Self {
        Self(Some((Instant::now(), SystemTime::now())))
    }

    /// How long ago, by whichever clock saw more time pass; none when it was never read. A wall clock that went backwards
    /// says nothing.
    pub(super) fn of(self) -> Option<Duration> {
        let (read, read_at) = self.0?;
        Some(read.elapsed().max(read_at.elapsed().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_that_of_the_clock_that_saw_more_time_pass() {
        let (now, at) = (Instant::now(), SystemTime::now());
        let minute = Duration::from_secs(60);
        assert!(Age::default().of().is_none());
        assert!(Age::now().of().unwrap() < minute);
        // Stopped: the monotonic clock stood still.
        assert!(Age(Some((now, at - minute))).of().unwrap() >= minute);
        // The wall clock was set back.
        assert!(Age(Some((now - minute, at + minute))).of().unwrap() >= minute);
        assert!(Age(Some((now, at + minute))).of().unwrap() < minute);
    }
}
