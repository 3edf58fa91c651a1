//! The rollout: the active release, the canary, and the operations that change them.
//!
//! Each operation computes the next state from a state that was read. A store accepts the next state only if the stored
//! state is still the one that was read, so two concurrent operations cannot both succeed.
//!
//! - `weight`: the share of the connections that a canary serves
//! - `error_rate`: the limit of its failures

mod error_rate;
mod weight;

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::{ConnectionId, Timestamp};

use crate::id::ReleaseId;

pub use error_rate::{ErrorRate, ErrorRateError, FailureLimit};
pub use weight::{TrafficWeight, TrafficWeightError};

/// The maximum generation, 2^53 - 1. Every JSON library and DynamoDB keep integers up to this number exactly.
pub const MAX_GENERATION: u64 = (1 << 53) - 1;

/// The releases that hosts run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RolloutState {
    /// The number of changes so far, at most [`MAX_GENERATION`]: 0 before the first activation.
    #[serde(deserialize_with = "generation")]
    pub generation: u64,
    /// The active release. If there is none, hosts run the release that they were deployed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ReleaseId>,
    /// The canary, which serves some of the connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// The releases that are being removed and cannot be activated.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pruning: BTreeSet<ReleaseId>,
}

/// A release that serves some of the connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Canary {
    /// The release that serves the canary's connections.
    pub release: ReleaseId,
    /// The share of the connections that it serves.
    #[serde(rename = "share")]
    pub weight: TrafficWeight,
    /// The number of failures that are tolerated if there is no error rate. One more halts the canary.
    pub error_budget: u64,
    /// The part of the connections for which the canary may fail more often than the active release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<ErrorRate>,
    /// The generation in which the canary began. Failures are counted per run, so a restarted canary begins at zero.
    pub run: u64,
}

/// A halt: the end of a canary that exceeded its error budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Halt {
    /// The run of the canary.
    pub run: u64,
    /// The release of the canary.
    pub release: ReleaseId,
    /// The time of the halt.
    pub at: Timestamp,
    /// The host that recorded the halt.
    pub host: String,
    /// The reason, for example `11 failures, and its error budget is 10`.
    pub reason: String,
}

/// A change of the rollout state in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Change {
    /// The generation that the change created.
    pub generation: u64,
    /// The time of the change.
    pub at: Timestamp,
    /// The author: the ARN of an AWS principal, or a user and a host.
    pub who: String,
    /// The reason that the author gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The kind of the change.
    pub action: Action,
    /// The active release before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ReleaseId>,
    /// The active release after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReleaseId>,
    /// The canary after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A release became active.
    Activate,
    /// A canary began, or its weight changed.
    Canary,
    /// The canary became the active release.
    Promote,
    /// The canary ended, or the previous release became active again.
    Rollback,
    /// Releases were removed.
    Prune,
}

/// An operation that the rollout state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The release is active already.
    #[error("the release `{0}` is already active")]
    Active(ReleaseId),
    /// The release is being removed.
    #[error("the release `{0}` is being pruned")]
    Pruning(ReleaseId),
    /// No release was ever activated.
    #[error("no release is active")]
    NothingActive,
    /// The canary was halted.
    #[error("the canary `{release}` was halted: {reason}")]
    Halted {
        /// The release of the canary.
        release: ReleaseId,
        /// The reason of the halt.
        reason: String,
    },
    /// There is no canary.
    #[error("there is no canary")]
    NoCanary,
    /// The history has no other release.
    #[error("the history has no release before `{0}`")]
    NothingBefore(ReleaseId),
    /// The rollout state has the last generation.
    #[error("the rollout state has generation {MAX_GENERATION}, the last one")]
    Exhausted,
    /// Another prune is running, or was interrupted.
    #[error("another prune is running or was interrupted")]
    PruneRunning,
}

impl From<RolloutError> for Diagnostic {
    fn from(error: RolloutError) -> Self {
        let why = error.to_string();
        let (code, hint) = match error {
            RolloutError::Active(_) => (Code::ReleaseActive, None),
            RolloutError::Pruning(_) => {
                (Code::ReleasePruned, Some("publish it again with `tidegate release create` when the prune has ended"))
            }
            RolloutError::NothingActive => {
                (Code::ReleaseNoneActive, Some("activate a release with `tidegate release activate`"))
            }
            RolloutError::Halted { .. } => (
                Code::CanaryHalted,
                Some("end the canary with `tidegate release rollback`, or restart it with `canary --restart`"),
            ),
            RolloutError::NoCanary => (Code::CanaryMissing, Some("begin one with `tidegate release canary`")),
            RolloutError::NothingBefore(_) => {
                (Code::ReleaseNonePrevious, Some("activate another release with `tidegate release activate`"))
            }
            RolloutError::Exhausted => (
                Code::StoreInvalid,
                Some("set the generation of the rollout state back to that of the last change in the history"),
            ),
            RolloutError::PruneRunning => (Code::PruneRunning, Some("complete it with `tidegate release prune`")),
        };
        Self { code, what: "cannot change the rollout".to_owned(), why, hint: hint.map(str::to_owned) }
    }
}

impl Canary {
    /// Returns the limit of the failures.
    #[must_use]
    pub fn limit(&self) -> FailureLimit {
        self.error_rate.map_or(FailureLimit::Count(self.error_budget), FailureLimit::Rate)
    }

    /// Returns true if the canary serves the connection. As long as the weight does not change, the answer is the same
    /// for each event and on every host. A larger weight keeps the connections of a smaller one.
    #[must_use]
    pub fn serves(&self, connection: &ConnectionId) -> bool {
        canary_serves(&self.release, self.weight, connection)
    }

    fn check_not_halted(&self, halt: Option<&Halt>) -> Result<(), RolloutError> {
        match halt.filter(|halt| halt.run == self.run && halt.release == self.release) {
            Some(halt) => Err(RolloutError::Halted { release: self.release.clone(), reason: halt.reason.clone() }),
            None => Ok(()),
        }
    }
}

/// Returns true if a canary of this release and weight serves the connection. The canary serves it if the SHA-256 of
/// the two ids, as a big-endian number, modulo 10,000, is below the weight in hundredths of a percent.
#[must_use]
pub fn canary_serves(canary: &ReleaseId, weight: TrafficWeight, connection: &ConnectionId) -> bool {
    let mut hash = Sha256::new();
    hash.update(canary.as_str());
    hash.update(connection.as_str());
    let remainder = hash.finalize().iter().fold(0_u32, |rest, byte| (rest * 256 + u32::from(*byte)) % 10_000);
    remainder < u32::from(weight.hundredths())
}

impl RolloutState {
    /// Returns the state after `release` becomes active for every connection, which ends any canary. `halt` is the halt
    /// of the current canary.
    ///
    /// # Errors
    /// [`RolloutError::Active`] if the release is active and there is no canary to end, [`RolloutError::Halted`] if the
    /// release is the canary and was halted, [`RolloutError::Pruning`] if the release is being removed.
    pub fn activate(&self, release: &ReleaseId, halt: Option<&Halt>) -> Result<Self, RolloutError> {
        if self.active.as_ref() == Some(release) && self.canary.is_none() {
            return Err(RolloutError::Active(release.clone()));
        }
        if let Some(canary) = self.canary.as_ref().filter(|canary| canary.release == *release) {
            // A canary that failed for some of the connections must not serve all of them.
            canary.check_not_halted(halt)?;
        }
        self.check_not_pruning(release)?;
        Ok(Self { active: Some(release.clone()), canary: None, ..self.next()? })
    }

    /// Returns the state with a canary: a new one, or the current one with another weight. The current one keeps its
    /// counts unless `restart` is true. `halt` is the halt of the current canary. Without an active release, the other
    /// connections stay on the release that hosts were deployed with.
    ///
    /// # Errors
    /// [`RolloutError::Active`] if the release is active, [`RolloutError::Pruning`] if it is being removed,
    /// [`RolloutError::Halted`] if it was halted and `restart` is false.
    pub fn canary(
        &self,
        release: &ReleaseId,
        weight: TrafficWeight,
        limit: impl Into<FailureLimit>,
        halt: Option<&Halt>,
        restart: bool,
    ) -> Result<Self, RolloutError> {
        if self.active.as_ref() == Some(release) {
            return Err(RolloutError::Active(release.clone()));
        }
        self.check_not_pruning(release)?;
        let next = self.next()?;
        let running = self.canary.as_ref().filter(|canary| canary.release == *release && !restart);
        running.map_or(Ok(()), |canary| canary.check_not_halted(halt))?;
        let run = running.map_or(next.generation, |canary| canary.run);
        let (error_budget, error_rate) = match limit.into() {
            FailureLimit::Count(count) => (count, None),
            FailureLimit::Rate(rate) => (0, Some(rate)),
        };
        let canary = Canary { release: release.clone(), weight, error_budget, error_rate, run };
        Ok(Self { canary: Some(canary), ..next })
    }

    /// Returns the state after the canary becomes active for every connection. `halt` is the halt of the current
    /// canary.
    ///
    /// # Errors
    /// [`RolloutError::NoCanary`] if there is no canary, [`RolloutError::Halted`] if it was halted.
    pub fn promote(&self, halt: Option<&Halt>) -> Result<Self, RolloutError> {
        let canary = self.canary.as_ref().ok_or(RolloutError::NoCanary)?;
        canary.check_not_halted(halt)?;
        Ok(Self { active: Some(canary.release.clone()), canary: None, ..self.next()? })
    }

    /// Returns the state one step back. If there is a canary, the step ends it. Otherwise the step restores the release
    /// that was active before the current one was activated or promoted, so a second rollback goes back further. In a
    /// state without an active release, hosts run the release that they were deployed with. `history` has the newest
    /// change first.
    ///
    /// # Errors
    /// [`RolloutError::NothingActive`] or [`RolloutError::NothingBefore`] if there is no earlier release,
    /// [`RolloutError::Pruning`] if it is being removed.
    pub fn rollback(&self, history: &[Change]) -> Result<Self, RolloutError> {
        if self.canary.is_some() {
            return Ok(Self { canary: None, ..self.next()? });
        }
        let active = self.active.as_ref().ok_or(RolloutError::NothingActive)?;
        let before = history
            .iter()
            .filter(|change| matches!(change.action, Action::Activate | Action::Promote))
            .find(|change| change.to.as_ref() == Some(active) && change.from.as_ref() != Some(active))
            .ok_or_else(|| RolloutError::NothingBefore(active.clone()))?;
        if let Some(release) = &before.from {
            self.check_not_pruning(release)?;
        }
        Ok(Self { active: before.from.clone(), ..self.next()? })
    }

    /// Returns the state while `releases` are being removed.
    ///
    /// # Errors
    /// [`RolloutError::PruneRunning`] if other releases are being removed.
    pub fn begin_prune(&self, releases: BTreeSet<ReleaseId>) -> Result<Self, RolloutError> {
        if !self.pruning.is_empty() {
            return Err(RolloutError::PruneRunning);
        }
        Ok(Self { pruning: releases, ..self.next()? })
    }

    /// Returns the state after the releases were removed.
    ///
    /// # Errors
    /// [`RolloutError::Exhausted`] if the state has the last generation.
    pub fn end_prune(&self) -> Result<Self, RolloutError> {
        Ok(Self { pruning: BTreeSet::new(), ..self.next()? })
    }

    /// Returns the active release and the release of the canary.
    pub fn used(&self) -> impl Iterator<Item = &ReleaseId> {
        self.active.iter().chain(self.canary.as_ref().map(|canary| &canary.release))
    }

    /// Returns the change from this state to `next` for the history.
    #[must_use]
    pub fn change(&self, next: &Self, action: Action, at: Timestamp, who: String, why: Option<String>) -> Change {
        Change {
            generation: next.generation,
            at,
            who,
            why,
            action,
            from: self.active.clone(),
            to: next.active.clone(),
            canary: next.canary.clone(),
        }
    }

    fn next(&self) -> Result<Self, RolloutError> {
        match self.generation.checked_add(1).filter(|next| *next <= MAX_GENERATION) {
            Some(generation) => Ok(Self { generation, ..self.clone() }),
            None => Err(RolloutError::Exhausted),
        }
    }

    fn check_not_pruning(&self, release: &ReleaseId) -> Result<(), RolloutError> {
        match self.pruning.contains(release) {
            true => Err(RolloutError::Pruning(release.clone())),
            false => Ok(()),
        }
    }
}

fn generation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let generation = u64::deserialize(deserializer)?;
    if generation <= MAX_GENERATION {
        return Ok(generation);
    }
    let problem = format!("the generation {generation} is above the maximum of {MAX_GENERATION}");
    Err(serde::de::Error::custom(problem))
}

#[cfg(test)]
#[path = "rollout/tests.rs"]
mod tests;
