//! Stores of releases: the trait for hosts and the trait for the command line.
//!
//! A store has four parts: artifacts and signed releases, which are immutable and named by their content; the rollout
//! state; the history of its changes; and the status that hosts report. On AWS, three policies divide the access: hosts
//! read releases and write the status, a publisher cannot activate, and an operator who activates cannot publish.
//!
//! Artifacts are stored before the release that references them, and neither is overwritten, so a half-finished publish
//! can never become active.
//!
//! - [`fs`]: a store in a folder; [`cached`]: a folder of artifacts in front of another store
//! - `status`: the types that hosts report; `error`: failures of a store

pub mod cached;
mod error;
pub mod fs;
mod status;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::id::ReleaseId;
use crate::rollout::{Change, Halt, RolloutState};

pub use error::{StoreError, StoreFailure};
pub use status::{CanaryCounts, LoadFailure, LoadReport, LoadSummary, MAX_REASON_BYTES, STATUS_DAYS};

/// The result of a call of a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The consistency of a read of the rollout state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// The state may be a few seconds old. On DynamoDB the read costs half.
    Eventual,
    /// The state is the latest one that was stored.
    Strong,
}

/// The part of a store that a host needs: it reads releases and reports their status.
#[async_trait]
pub trait ReleaseReader: Send + Sync + fmt::Debug {
    /// Reads the rollout state. Its generation is 0 before the first change.
    async fn rollout_state(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState>;

    /// Reads the bytes of a signed release as they were published.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no release has this id.
    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>>;

    /// Reads the bytes that are stored under the digest of an artifact. The caller must verify the digest of the bytes.
    /// `size` is the signed size: nothing larger is read.
    ///
    /// # Errors
    /// - [`StoreError::NotFound`] if no artifact has this digest
    /// - [`StoreError::TooLarge`] if the stored bytes are more than `size`
    async fn artifact(&self, digest: &Digest, size: u64, deadline: Deadline) -> Result<Vec<u8>>;

    /// Reads the halt of the canary that began in generation `run`. Returns `None` if that canary was not halted.
    async fn halt(&self, run: u64, deadline: Deadline) -> Result<Option<Halt>>;

    /// Halts a canary unless it is halted already. Returns the stored halt, which is the same for every host.
    async fn record_halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt>;

    /// Adds to the counts of the canary that began in generation `run`. Returns the sum over all hosts.
    async fn add_canary_counts(&self, run: u64, counts: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts>;

    /// Reads the counts of the canary that began in generation `run`. They are zero before the first event.
    async fn canary_counts(&self, run: u64, deadline: Deadline) -> Result<CanaryCounts>;

    /// Records that a host loaded a release or failed to load it.
    async fn record_load(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()>;

    /// Reads the load reports of each release from the last [`STATUS_DAYS`] days.
    async fn load_reports(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>>;
}

/// The part of a store that only the command line needs: it publishes, activates and prunes.
#[async_trait]
pub trait ReleaseWriter: ReleaseReader {
    /// Stores an artifact under its digest, unless it is stored already. Returns true if this call stored it.
    async fn put_artifact(&self, bytes: &[u8], deadline: Deadline) -> Result<bool>;

    /// Stores a signed release, unless a release with this id is stored already. The caller must have stored its
    /// artifacts, because this call makes the release visible.
    async fn put_envelope(&self, release: &ReleaseId, envelope: &[u8], deadline: Deadline) -> Result<Stored>;

    /// Stores the rollout state `next` and appends `change` to the history, if the stored generation is the one before
    /// `next.generation`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the stored generation is a different one. The caller must read the state again.
    async fn compare_and_set(&self, next: &RolloutState, change: &Change, deadline: Deadline) -> Result<()>;

    /// Reads at most `limit` changes, the newest first.
    async fn history(&self, limit: usize, deadline: Deadline) -> Result<Vec<Change>>;

    /// Lists the published releases with the time at which each was stored.
    async fn list(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, Timestamp>>;

    /// Lists the stored artifacts with the time at which each was stored.
    async fn list_artifacts(&self, deadline: Deadline) -> Result<BTreeMap<Digest, Timestamp>>;

    /// Removes a release. Succeeds if it does not exist.
    async fn remove_envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<()>;

    /// Removes an artifact. Succeeds if it does not exist.
    async fn remove_artifact(&self, digest: &Digest, deadline: Deadline) -> Result<()>;
}

/// The outcome of [`ReleaseWriter::put_envelope`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// The release was stored by this call.
    New,
    /// A release with this id was stored before and was not replaced. The value contains its bytes.
    Already(Vec<u8>),
}
