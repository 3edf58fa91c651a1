//! Where releases are kept: the ports of a host, of who publishes and of who activates.
//!
//! A store has four parts. Artifacts and signed releases are immutable, and named by their content; the pointer says which
//! release runs, and each of its changes is kept; the status is what hosts report. Who may do what is a port each, because
//! on AWS it is a policy each: hosts read releases and write only the status, who publishes cannot activate, and who
//! activates cannot publish.

pub mod cached;
pub mod fs;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::id::ReleaseId;
use crate::rollout::{Change, Halt, RolloutState};

/// The most bytes of a reason that the status keeps.
pub const MAX_REASON_BYTES: usize = 1_024;

/// Why a store could not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It does not have it.
    #[error("there is no {0}")]
    NotFound(String),
    /// Another process was first: the pointer was moved, or another release has this id.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// What is stored makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer, or failed. A change is unknown to be made or not.
    #[error("{0}")]
    Unavailable(String),
}

/// What a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How fresh a pointer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// It may be that of a moment ago, at half the cost.
    Eventual,
    /// It is the last that was stored.
    Strong,
}

/// What hosts read.
#[async_trait]
pub trait Releases: Send + Sync + fmt::Debug {
    /// The pointer; one of generation 0 before anything was activated.
    async fn pointer(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState>;

    /// A signed release, as it was published.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of this id.
    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>>;

    /// The bytes that are stored as the artifact of this digest. Whoever uses them makes their digest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    async fn artifact(&self, digest: &Digest, deadline: Deadline) -> Result<Vec<u8>>;
}

/// What hosts report.
#[async_trait]
pub trait Status: Send + Sync + fmt::Debug {
    /// Why the canary that began in this run was halted; none while it was not.
    async fn halted(&self, run: u64, deadline: Deadline) -> Result<Option<Halt>>;

    /// Halts a canary unless it is halted already. The answer is the halt that holds: every host sees the same.
    async fn halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt>;

    /// Adds to what a canary has done since its run began, and answers the sum over all hosts.
    async fn count(&self, run: u64, tally: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts>;

    /// What a canary has done since its run began.
    async fn tally(&self, run: u64, deadline: Deadline) -> Result<CanaryCounts>;

    /// Notes that a host loaded a release, or could not.
    async fn report(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()>;

    /// What hosts reported of each release, in the last [`STATUS_DAYS`].
    async fn reports(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>>;
}

/// How long the status keeps what hosts reported.
pub const STATUS_DAYS: u32 = 30;

/// What who publishes does.
#[async_trait]
pub trait Publish: Releases {
    /// Stores an artifact under its digest, unless it is there; whether it was stored now.
    async fn put_artifact(&self, bytes: &[u8], deadline: Deadline) -> Result<bool>;

    /// Stores a signed release, unless there is one of this id, and answers what is stored then. A release is published by
    /// this, so its artifacts are stored before.
    async fn put_envelope(&self, release: &ReleaseId, envelope: &[u8], deadline: Deadline) -> Result<Stored>;
}

/// What became of a release that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is stored.
    New,
    /// One of this id was there, and still is.
    Already(Vec<u8>),
}

/// What who activates does, and who prunes.
#[async_trait]
pub trait Activate: Releases {
    /// Makes `next` the pointer, with its change in history, if the pointer's generation is the one before.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is another: read it again, and decide anew.
    async fn compare_and_set(&self, next: &RolloutState, change: &Change, deadline: Deadline) -> Result<()>;

    /// The newest `limit` changes, the newest first.
    async fn history(&self, limit: usize, deadline: Deadline) -> Result<Vec<Change>>;

    /// Every release that is published, with when it was stored.
    async fn list(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, Timestamp>>;

    /// Every artifact that is stored, with when it was stored.
    async fn list_artifacts(&self, deadline: Deadline) -> Result<BTreeMap<Digest, Timestamp>>;

    /// Removes a release; it is no error when there is none.
    async fn remove_envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<()>;

    /// Removes an artifact; it is no error when there is none.
    async fn remove_artifact(&self, digest: &Digest, deadline: Deadline) -> Result<()>;
}

/// A store with all that can be done to it.
pub trait Store: Publish + Activate + Status {}

impl<T: Publish + Activate + Status> Store for T {}

/// What a host needs of a store.
pub trait HostStore: Releases + Status {}

impl<T: Releases + Status> HostStore for T {}

/// What happened on a canary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CanaryCounts {
    /// Events.
    pub events: u64,
    /// Events that trapped.
    pub traps: u64,
    /// Events that missed their deadline.
    pub timeouts: u64,
    /// Events that failed otherwise.
    pub errors: u64,
}

impl CanaryCounts {
    /// The events that an error budget counts.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.traps.saturating_add(self.timeouts).saturating_add(self.errors)
    }

    /// Both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            traps: self.traps.saturating_add(other.traps),
            timeouts: self.timeouts.saturating_add(other.timeouts),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

/// What one host says of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// When.
    pub at: Timestamp,
    /// The host: a function and its log stream, or a machine.
    pub host: String,
    /// Why it does not run the release; none when it does. At most [`MAX_REASON_BYTES`].
    pub failure: Option<String>,
}

/// What hosts said of one release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LoadSummary {
    /// How many hosts loaded it.
    pub loaded: u64,
    /// How often a host could not.
    pub failed: u64,
    /// When the last host reported, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a host could not load a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// The host.
    pub host: String,
    /// Why.
    pub reason: String,
}
