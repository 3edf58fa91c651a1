//! Which release is active, which is the canary, and how that changes.
//!
//! Every change makes the next pointer from the one that was read, and is stored only if that is still the pointer, so
//! that two at once cannot both believe that they won.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tidegate_event::{ConnectionId, Timestamp};

use crate::id::ReleaseId;

/// Which releases run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RolloutState {
    /// How often it was moved: 0 before anything was activated.
    pub generation: u64,
    /// The release that is active; none leaves hosts on the one that they were deployed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ReleaseId>,
    /// The release that some connections run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Releases that are about to be removed, and so cannot be activated.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pruning: BTreeSet<ReleaseId>,
}

/// A release that a share of the connections runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Canary {
    /// The release.
    pub release: ReleaseId,
    /// The share of the connections.
    #[serde(rename = "share")]
    pub weight: TrafficWeight,
    /// How many failures it may have in all: one more halts it.
    pub error_budget: u64,
    /// The generation in which it began. Failures are counted under it, so that a canary that begins anew begins at zero.
    pub run: u64,
}

/// A share of the connections, in hundredths of a percent: 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct TrafficWeight(u16);

/// A number that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is from 0.01 to 100, in steps of 0.01")]
pub struct TrafficWeightError;

/// That failures above its budget ended a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Halt {
    /// The canary's run.
    pub run: u64,
    /// The release.
    pub release: ReleaseId,
    /// When.
    pub at: Timestamp,
    /// The host that noticed it first.
    pub host: String,
    /// What happened, such as `11 failures, and its budget is 10`.
    pub reason: String,
}

/// One change of the pointer, as history keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Change {
    /// The generation that it made.
    pub generation: u64,
    /// When.
    pub at: Timestamp,
    /// Who: an AWS principal's ARN, or a user and a host.
    pub who: String,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was done.
    pub action: Action,
    /// The active release before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ReleaseId>,
    /// The active release after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReleaseId>,
    /// The canary after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// What moves the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A release became the active one.
    Activate,
    /// A canary began, or its share changed.
    Canary,
    /// The canary became the active release.
    Promote,
    /// The canary ended, or an earlier release became the active one again.
    Rollback,
    /// Releases were removed.
    Prune,
}

/// Why the pointer cannot be moved so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// Nothing would change.
    #[error("the release `{0}` is active already")]
    Active(ReleaseId),
    /// The release is being removed.
    #[error(
        "the release `{0}` is about to be pruned; hint: `tidegate release create` publishes it anew, once `prune` has ended"
    )]
    Pruning(ReleaseId),
    /// Nothing was ever activated.
    #[error("no release is active")]
    NothingActive,
    /// The canary was halted.
    #[error(
        "the canary `{release}` was halted: {reason}; hint: `tidegate release rollback` ends it, and `canary --restart` \
         begins anew"
    )]
    Halted {
        /// The canary.
        release: ReleaseId,
        /// Why.
        reason: String,
    },
    /// There is no canary.
    #[error("there is no canary")]
    NoCanary,
    /// History has no other release.
    #[error("history has no release before `{0}`")]
    NothingBefore(ReleaseId),
    /// A prune is under way, or was broken off.
    #[error("a prune is under way")]
    Pruned,
}

impl TrafficWeight {
    /// All connections.
    pub const ALL: Self = Self(10_000);

    /// A share of `hundredths` of a percent.
    ///
    /// # Errors
    /// Below 1 and above 10,000.
    pub fn new(hundredths: u16) -> Result<Self, TrafficWeightError> {
        if (1..=10_000).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(TrafficWeightError) }
    }

    /// In hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for TrafficWeight {
    type Error = TrafficWeightError;

    fn try_from(hundredths: u16) -> Result<Self, TrafficWeightError> {
        Self::new(hundredths)
    }
}

impl From<TrafficWeight> for u16 {
    fn from(weight: TrafficWeight) -> Self {
        weight.0
    }
}

impl std::str::FromStr for TrafficWeight {
    type Err = TrafficWeightError;

    /// From a percentage, such as `5` or `0.25`.
    fn from_str(text: &str) -> Result<Self, TrafficWeightError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return Err(TrafficWeightError);
        }
        format!("{whole}{fraction:0<2}").parse().map_err(|_| TrafficWeightError).and_then(Self::new)
    }
}

impl std::fmt::Display for TrafficWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / 100, self.0 % 100);
        match fraction {
            0 => write!(f, "{whole} %"),
            _ => write!(f, "{whole}.{fraction:02} %"),
        }
    }
}

impl Canary {
    /// Whether a connection runs on it: the same for each of its events and on every host, for as long as the share stays.
    /// A larger share keeps the connections of a smaller one.
    #[must_use]
    pub fn takes(&self, connection: &ConnectionId) -> bool {
        takes(&self.release, self.weight, connection)
    }

    fn not_halted(&self, halt: Option<&Halt>) -> Result<(), RolloutError> {
        match halt.filter(|halt| halt.run == self.run) {
            Some(halt) => Err(RolloutError::Halted { release: self.release.clone(), reason: halt.reason.clone() }),
            None => Ok(()),
        }
    }
}

/// The rule of DESIGN: the SHA-256 over the canary's id and the connection's, as a number, modulo 10,000.
#[must_use]
pub fn takes(canary: &ReleaseId, weight: TrafficWeight, connection: &ConnectionId) -> bool {
    let mut hash = Sha256::new();
    hash.update(canary.as_str());
    hash.update(connection.as_str());
    // The number is big-endian: its remainder, digit by digit.
    let remainder = hash.finalize().iter().fold(0_u32, |rest, byte| (rest * 256 + u32::from(*byte)) % 10_000);
    remainder < u32::from(weight.0)
}

impl RolloutState {
    /// The pointer after `release` became active for every connection; a canary ends.
    ///
    /// # Errors
    /// When it is active already and there is no canary to end, or it is about to be removed.
    pub fn activate(&self, release: &ReleaseId) -> Result<Self, RolloutError> {
        if self.active.as_ref() == Some(release) && self.canary.is_none() {
            return Err(RolloutError::Active(release.clone()));
        }
        self.not_pruning(release)?;
        Ok(Self { active: Some(release.clone()), canary: None, ..self.next() })
    }

    /// The pointer with a canary: a new one, or the same with another share, which goes on counting unless it is to
    /// `restart`. `halt` is that of the canary that runs now. Without an active release the other connections stay on the
    /// one that hosts were deployed with.
    ///
    /// # Errors
    /// When it is the active release, about to be removed, or was halted and is not to be restarted.
    pub fn canary(
        &self,
        release: &ReleaseId,
        weight: TrafficWeight,
        error_budget: u64,
        halt: Option<&Halt>,
        restart: bool,
    ) -> Result<Self, RolloutError> {
        if self.active.as_ref() == Some(release) {
            return Err(RolloutError::Active(release.clone()));
        }
        self.not_pruning(release)?;
        let next = self.next();
        let running = self.canary.as_ref().filter(|canary| canary.release == *release && !restart);
        running.map_or(Ok(()), |canary| canary.not_halted(halt))?;
        let run = running.map_or(next.generation, |canary| canary.run);
        Ok(Self { canary: Some(Canary { release: release.clone(), weight, error_budget, run }), ..next })
    }

    /// The pointer after the canary became active.
    ///
    /// # Errors
    /// When there is none, or it was halted.
    pub fn promote(&self, halt: Option<&Halt>) -> Result<Self, RolloutError> {
        let canary = self.canary.as_ref().ok_or(RolloutError::NoCanary)?;
        canary.not_halted(halt)?;
        Ok(Self { active: Some(canary.release.clone()), canary: None, ..self.next() })
    }

    /// The pointer one step back: without its canary if it has one, else with the release that was active before this one
    /// was activated or promoted, so that the next step back goes further. None is the one that hosts were deployed with.
    /// `history` is the newest change first.
    ///
    /// # Errors
    /// When nothing was active before, or that is about to be removed.
    pub fn rollback(&self, history: &[Change]) -> Result<Self, RolloutError> {
        if self.canary.is_some() {
            return Ok(Self { canary: None, ..self.next() });
        }
        let active = self.active.as_ref().ok_or(RolloutError::NothingActive)?;
        let before = history
            .iter()
            .filter(|change| matches!(change.action, Action::Activate | Action::Promote))
            .find(|change| change.to.as_ref() == Some(active) && change.from.as_ref() != Some(active))
            .ok_or_else(|| RolloutError::NothingBefore(active.clone()))?;
        if let Some(release) = &before.from {
            self.not_pruning(release)?;
        }
        Ok(Self { active: before.from.clone(), ..self.next() })
    }

    /// The pointer while `releases` are removed.
    ///
    /// # Errors
    /// When others are being removed.
    pub fn begin_prune(&self, releases: BTreeSet<ReleaseId>) -> Result<Self, RolloutError> {
        if !self.pruning.is_empty() {
            return Err(RolloutError::Pruned);
        }
        Ok(Self { pruning: releases, ..self.next() })
    }

    /// The pointer once they are.
    #[must_use]
    pub fn end_prune(&self) -> Self {
        Self { pruning: BTreeSet::new(), ..self.next() }
    }

    /// The releases that it names and that must be there.
    pub fn used(&self) -> impl Iterator<Item = &ReleaseId> {
        self.active.iter().chain(self.canary.as_ref().map(|canary| &canary.release))
    }

    /// The change from `self` to `next`, as history keeps it.
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

    fn next(&self) -> Self {
        Self { generation: self.generation + 1, ..self.clone() }
    }

    fn not_pruning(&self, release: &ReleaseId) -> Result<(), RolloutError> {
        match self.pruning.contains(release) {
            true => Err(RolloutError::Pruning(release.clone())),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "rollout/tests.rs"]
mod tests;
