//! The part of the store that hosts use.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use super::FolderStore;
use super::files::{self, FileKind, Lock};
use crate::digest::Digest;
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::id::ReleaseId;
use crate::rollout::{Halt, RolloutState};
use crate::store::{
    CanaryCounts, Consistency, LoadFailure, LoadReport, LoadSummary, MAX_REASON_BYTES, ReleaseReader, Result,
    STATUS_DAYS, StoreError, StoreFailure,
};

const STATUS_TIME: Duration = Duration::from_secs(STATUS_DAYS as u64 * 24 * 3_600);

#[async_trait]
impl ReleaseReader for FolderStore {
    async fn rollout_state(&self, _: Consistency, _: Deadline) -> Result<RolloutState> {
        self.current()
    }

    async fn envelope(&self, release: &ReleaseId, _: Deadline) -> Result<Vec<u8>> {
        let found = self.read(&self.envelope_path(release), MAX_ENVELOPE_BYTES as u64)?;
        found.ok_or_else(|| self.not_found(&format!("release `{release}`")))
    }

    async fn artifact(&self, digest: &Digest, size: u64, _: Deadline) -> Result<Vec<u8>> {
        let found = self.read(&self.artifact_path(digest), size)?;
        found.ok_or_else(|| self.not_found(&format!("artifact `{digest}`")))
    }

    async fn halt(&self, run: u64, _: Deadline) -> Result<Option<Halt>> {
        self.document(&FileKind::HALT, &self.halt_path(run))
    }

    async fn record_halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt> {
        // Many hosts may exceed the budget at once. Most of them find a halt that another host has recorded.
        if let Some(first) = self.halt(halt.run, deadline).await? {
            return Ok(first);
        }
        if files::create(&self.halt_path(halt.run), &files::json(halt))? {
            return Ok(halt.clone());
        }
        self.halt(halt.run, deadline).await.map(|first| first.unwrap_or_else(|| halt.clone()))
    }

    async fn add_canary_counts(&self, run: u64, counts: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts> {
        let _lock = Lock::take(&self.dir, deadline)?;
        let sum = self.canary_counts(run, deadline).await?.plus(counts);
        files::replace(&self.counts_path(run), &files::json(&sum))?;
        Ok(sum)
    }

    async fn canary_counts(&self, run: u64, _: Deadline) -> Result<CanaryCounts> {
        self.document(&FileKind::COUNTS, &self.counts_path(run)).map(Option::unwrap_or_default)
    }

    async fn record_load(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()> {
        let path = self.report_path(release);
        let _lock = Lock::take(&self.dir, deadline)?;
        let mut summary: LoadSummary = self.document(&FileKind::REPORTS, &path)?.unwrap_or_default();
        summary.at = report.at;
        match &report.failure {
            None => summary.loaded = summary.loaded.saturating_add(1),
            Some(reason) => {
                summary.failed = summary.failed.saturating_add(1);
                let reason = reason.split_at(reason.floor_char_boundary(MAX_REASON_BYTES)).0.to_owned();
                summary.failure = Some(LoadFailure { at: report.at, host: report.host.clone(), reason });
            }
        }
        files::replace(&path, &files::json(&summary))
    }

    async fn load_reports(&self, _: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>> {
        let now = Timestamp::now();
        let mut reports = BTreeMap::new();
        for release in self.files(&self.reports_dir(), "json")?.into_keys() {
            let summary: Option<LoadSummary> = self.document(&FileKind::REPORTS, &self.report_path(&release))?;
            if let Some(summary) = summary.filter(|summary| summary.at.saturating_add(STATUS_TIME) > now) {
                reports.insert(release, summary);
            }
        }
        Ok(reports)
    }
}

impl FolderStore {
    fn not_found(&self, subject: &str) -> StoreError {
        let what = format!("cannot read the {subject} from `{}`", self.dir.display());
        StoreError::NotFound(StoreFailure::new(what, "it does not exist"))
    }

    pub(super) fn current(&self) -> Result<RolloutState> {
        self.document(&FileKind::ROLLOUT_STATE, &self.rollout_state_path()).map(Option::unwrap_or_default)
    }

    pub(super) fn document<T: DeserializeOwned>(&self, kind: &FileKind, path: &Path) -> Result<Option<T>> {
        self.read_document(kind, path)?.map(|json| kind.parse(path, &json)).transpose()
    }

    /// Reads a JSON file. Returns `None` if it does not exist.
    pub(super) fn read_document(&self, kind: &FileKind, path: &Path) -> Result<Option<Vec<u8>>> {
        self.read(path, kind.limit).map_err(|error| match error {
            StoreError::Invalid(failure) | StoreError::TooLarge(failure) => kind.invalid(path, &failure.why),
            error => error,
        })
    }

    pub(super) fn files<K: std::str::FromStr + Ord>(
        &self,
        folder: &Path,
        extension: &str,
    ) -> Result<BTreeMap<K, Timestamp>> {
        let listed = files::list(folder, extension)?;
        if self.dir.is_dir() { Ok(listed) } else { Err(self.missing()) }
    }
}
