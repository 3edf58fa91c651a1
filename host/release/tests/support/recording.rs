//! A store in a folder that records which artifacts are read from it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tidegate_ports::Deadline;
use tidegate_release::rollout::Halt;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{CanaryCounts, Consistency, LoadReport, LoadSummary, ReleaseReader, Result};
use tidegate_release::{Digest, ReleaseId, RolloutState};

#[derive(Debug)]
pub(crate) struct RecordingStore {
    pub(crate) store: FolderStore,
    /// The artifacts that were read, in order.
    reads: Mutex<Vec<Digest>>,
}

impl RecordingStore {
    pub(crate) fn new(store: FolderStore) -> Self {
        Self { store, reads: Mutex::default() }
    }

    pub(crate) fn reads(&self) -> Vec<Digest> {
        self.reads.lock().unwrap().clone()
    }
}

#[async_trait]
impl ReleaseReader for RecordingStore {
    async fn rollout_state(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState> {
        self.store.rollout_state(consistency, deadline).await
    }

    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>> {
        self.store.envelope(release, deadline).await
    }

    async fn artifact(&self, digest: &Digest, size: u64, deadline: Deadline) -> Result<Vec<u8>> {
        self.reads.lock().unwrap().push(*digest);
        self.store.artifact(digest, size, deadline).await
    }

    async fn halt(&self, run: u64, deadline: Deadline) -> Result<Option<Halt>> {
        self.store.halt(run, deadline).await
    }

    async fn record_halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt> {
        self.store.record_halt(halt, deadline).await
    }

    async fn add_canary_counts(&self, run: u64, counts: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts> {
        self.store.add_canary_counts(run, counts, deadline).await
    }

    async fn canary_counts(&self, run: u64, deadline: Deadline) -> Result<CanaryCounts> {
        self.store.canary_counts(run, deadline).await
    }

    async fn record_load(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()> {
        self.store.record_load(release, report, deadline).await
    }

    async fn load_reports(&self, deadline: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>> {
        self.store.load_reports(deadline).await
    }
}
