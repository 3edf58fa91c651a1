//! The part of the store that only the command line uses.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use async_trait::async_trait;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use super::FolderStore;
use super::files::{self, Kind, Lock};
use crate::digest::Digest;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::rollout::{Change, RolloutState};
use crate::store::{ReleaseReader as _, ReleaseWriter, Result, StoreError, Stored};

#[async_trait]
impl ReleaseWriter for FolderStore {
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

impl FolderStore {
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
