//! The ports, on files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use super::FolderStore;
use super::files::{self, Kind, Lock};
use crate::digest::Digest;
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::rollout::{Change, Halt, RolloutState};
use crate::store::{
    Activate, CanaryCounts, Consistency, Failure, LoadReport, LoadSummary, MAX_REASON_BYTES, Publish, Releases, Result,
    STATUS_DAYS, Status, StoreError, Stored,
};

const STATUS_TIME: Duration = Duration::from_secs(STATUS_DAYS as u64 * 24 * 3_600);

#[async_trait]
impl Releases for FolderStore {
    async fn pointer(&self, _: Consistency, _: Deadline) -> Result<RolloutState> {
        self.current()
    }

    async fn envelope(&self, release: &ReleaseId, _: Deadline) -> Result<Vec<u8>> {
        let found = self.read(&self.envelope_path(release), MAX_ENVELOPE_BYTES as u64)?;
        found.ok_or_else(|| StoreError::NotFound(format!("release `{release}` in `{}`", self.dir.display())))
    }

    async fn artifact(&self, digest: &Digest, _: Deadline) -> Result<Vec<u8>> {
        let found = self.read(&self.artifact_path(digest), u64::MAX)?;
        found.ok_or_else(|| StoreError::NotFound(format!("artifact `{digest}` in `{}`", self.dir.display())))
    }
}

#[async_trait]
impl Publish for FolderStore {
    async fn put_artifact(&self, bytes: &[u8], _: Deadline) -> Result<bool> {
        let digest = Digest::of(bytes);
        let path = self.artifact_path(&digest);
        let Some(stored) = self.read(&path, u64::MAX)? else {
            // Where another process was first meanwhile, it has stored the same.
            return files::create(&path, bytes);
        };
        if Digest::of(&stored) == digest {
            touch(&path);
            return Ok(false);
        }
        // It was altered since.
        files::replace(&path, bytes)?;
        Ok(true)
    }

    async fn put_envelope(&self, release: &ReleaseId, envelope: &[u8], deadline: Deadline) -> Result<Stored> {
        match files::create(&self.envelope_path(release), envelope)? {
            true => Ok(Stored::New),
            false => self.envelope(release, deadline).await.map(Stored::Already),
        }
    }
}

#[async_trait]
impl Activate for FolderStore {
    async fn compare_and_set(&self, next: &RolloutState, change: &Change, deadline: Deadline) -> Result<()> {
        let _lock = Lock::take(&self.dir, deadline)?;
        let (current, generation) = (self.current()?.generation, next.generation);
        if current.checked_add(1) != Some(generation) {
            return Err(StoreError::Conflict(format!(
                "the pointer is of generation {current} by now, which is not the one before {generation}"
            )));
        }
        self.check_history(current)?;
        if change.generation != generation {
            let problem =
                format!("the change is to generation {}, and the pointer is of {generation}", change.generation);
            return Err(StoreError::Invalid(problem));
        }
        files::replace(&self.change_path(generation), &files::json(change))?;
        files::replace(&self.pointer_path(), &files::json(next))
    }

    async fn history(&self, limit: usize, _: Deadline) -> Result<Vec<Change>> {
        let generations = (1..=self.current()?.generation).rev().take(limit);
        let change = |generation| {
            let path = self.change_path(generation);
            let change = self.document(&Kind::CHANGE, &path)?;
            change.ok_or_else(|| Kind::CHANGE.invalid(&path, &"there is no such file"))
        };
        generations.map(change).collect()
    }

    async fn list(&self, _: Deadline) -> Result<BTreeMap<ReleaseId, Timestamp>> {
        self.files(&self.releases_dir(), "json")
    }

    async fn list_artifacts(&self, _: Deadline) -> Result<BTreeMap<Digest, Timestamp>> {
        self.files(&self.artifacts_dir(), ARTIFACT_EXTENSION)
    }

    async fn remove_envelope(&self, release: &ReleaseId, _: Deadline) -> Result<()> {
        files::remove(&self.envelope_path(release))
    }

    async fn remove_artifact(&self, digest: &Digest, _: Deadline) -> Result<()> {
        files::remove(&self.artifact_path(digest))
    }
}

#[async_trait]
impl Status for FolderStore {
    async fn halted(&self, run: u64, _: Deadline) -> Result<Option<Halt>> {
        self.document(&Kind::HALT, &self.halt_path(run))
    }

    async fn halt(&self, halt: &Halt, deadline: Deadline) -> Result<Halt> {
        // Many hosts notice it at once, and most of them find that another did.
        if let Some(first) = self.halted(halt.run, deadline).await? {
            return Ok(first);
        }
        if files::create(&self.halt_path(halt.run), &files::json(halt))? {
            return Ok(halt.clone());
        }
        self.halted(halt.run, deadline).await.map(|first| first.unwrap_or_else(|| halt.clone()))
    }

    async fn count(&self, run: u64, tally: CanaryCounts, deadline: Deadline) -> Result<CanaryCounts> {
        let _lock = Lock::take(&self.dir, deadline)?;
        let sum = self.tally(run, deadline).await?.plus(tally);
        files::replace(&self.tally_path(run), &files::json(&sum))?;
        Ok(sum)
    }

    async fn tally(&self, run: u64, _: Deadline) -> Result<CanaryCounts> {
        self.document(&Kind::TALLY, &self.tally_path(run)).map(Option::unwrap_or_default)
    }

    async fn report(&self, release: &ReleaseId, report: &LoadReport, deadline: Deadline) -> Result<()> {
        let path = self.report_path(release);
        let _lock = Lock::take(&self.dir, deadline)?;
        let mut reported: LoadSummary = self.document(&Kind::REPORTED, &path)?.unwrap_or_default();
        reported.at = report.at;
        match &report.failure {
            None => reported.loaded = reported.loaded.saturating_add(1),
            Some(reason) => {
                reported.failed = reported.failed.saturating_add(1);
                let reason = reason.split_at(reason.floor_char_boundary(MAX_REASON_BYTES)).0.to_owned();
                reported.failure = Some(Failure { at: report.at, host: report.host.clone(), reason });
            }
        }
        files::replace(&path, &files::json(&reported))
    }

    async fn reports(&self, _: Deadline) -> Result<BTreeMap<ReleaseId, LoadSummary>> {
        let (mut reports, now) = (BTreeMap::new(), Timestamp::now());
        for release in self.files(&self.reports_dir(), "json")?.into_keys() {
            let reported: Option<LoadSummary> = self.document(&Kind::REPORTED, &self.report_path(&release))?;
            if let Some(reported) = reported.filter(|it| it.at.saturating_add(STATUS_TIME) > now) {
                reports.insert(release, reported);
            }
        }
        Ok(reports)
    }
}

impl FolderStore {
    fn current(&self) -> Result<RolloutState> {
        self.document(&Kind::POINTER, &self.pointer_path()).map(Option::unwrap_or_default)
    }

    fn document<T: DeserializeOwned>(&self, kind: &Kind, path: &Path) -> Result<Option<T>> {
        self.read(path, kind.limit)?.map(|json| kind.parse(path, &json)).transpose()
    }

    fn files<K: std::str::FromStr + Ord>(&self, folder: &Path, extension: &str) -> Result<BTreeMap<K, Timestamp>> {
        let listed = files::list(folder, extension)?;
        if self.dir.is_dir() { Ok(listed) } else { Err(self.missing()) }
    }

    /// A crash leaves one change above the pointer; with two, it is the pointer that was lost, and going on from the one
    /// that is there would overwrite history.
    fn check_history(&self, current: u64) -> Result<()> {
        let path = self.change_path(current.saturating_add(2));
        match path.try_exists().map_err(files::failed("read", &path))? {
            false => Ok(()),
            true => {
                let problem = format!("it is of generation {current}, and history goes on");
                Err(Kind::POINTER.invalid(&self.pointer_path(), &problem))
            }
        }
    }
}

/// Notes that an artifact was stored now: one that is about to be part of a release is none to be pruned. It is tried, not
/// more: whoever may not do it to another user's file has its artifact stored all the same.
fn touch(path: &Path) {
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}
