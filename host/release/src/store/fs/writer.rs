//! The part of the store that only the command line uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use async_trait::async_trait;
use tidegate_event::Timestamp;
use tidegate_files::Links;
use tidegate_ports::Deadline;

use super::FolderStore;
use super::files::{self, FileKind, Lock};
use crate::digest::Digest;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::rollout::{Change, RolloutState};
use crate::store::{ReleaseReader as _, ReleaseWriter, Result, StoreError, StoreFailure, Stored};

/// The number of changes in a row that can be lost. A larger gap was made by a rollout state that jumped ahead.
const MAX_LOST: u64 = 1_000;

#[async_trait]
impl ReleaseWriter for FolderStore {
    async fn put_artifact(&self, bytes: &[u8], _: Deadline) -> Result<bool> {
        let digest = Digest::of(bytes);
        let path = self.artifact_path(&digest);
        match self.read(&path, bytes.len() as u64) {
            // If another process creates the file first, its bytes are the same.
            Ok(None) => return files::create(&path, bytes),
            Ok(Some(stored)) if Digest::of(&stored) == digest => {
                self.touch(&path);
                return Ok(false);
            }
            Ok(Some(_)) | Err(StoreError::TooLarge(_)) => {}
            Err(error) => return Err(error),
        }
        // The stored bytes are wrong: they were altered.
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
        let current = self.current()?.generation;
        let generation = next.generation;
        let what = || format!("cannot store generation {generation} of the rollout state");
        if current.checked_add(1) != Some(generation) {
            let why = format!("generation {current} is stored, because another process changed it");
            return Err(StoreError::Conflict(StoreFailure::new(what(), why).hint("repeat the command")));
        }
        self.check_history(current)?;
        if change.generation != generation {
            let why = format!("its change has generation {}", change.generation);
            return Err(StoreError::Invalid(StoreFailure::new(what(), why)));
        }
        files::replace(&self.change_path(generation), &files::json(change))?;
        files::replace(&self.rollout_state_path(), &files::json(next))
    }

    async fn history(&self, limit: usize, _: Deadline) -> Result<Vec<Change>> {
        let current = self.current()?.generation;
        let generations: BTreeMap<u64, Timestamp> = self.files(&self.dir.join("history"), "json")?;
        let generations = generations.into_keys().filter(|generation| *generation <= current).rev().chain([0]);
        // A state that was edited or restored can have a generation without a change. The other changes are still true.
        let mut expected = None;
        let mut changes = Vec::new();
        for generation in generations {
            if changes.len() == limit {
                break;
            }
            let lost = expected.map_or(0, |expected: u64| expected.saturating_sub(generation));
            if (1..=MAX_LOST).contains(&lost) {
                let path = self.change_path(expected.unwrap_or_default());
                return Err(FileKind::CHANGE.invalid(&path, &"the file does not exist"));
            }
            if generation > 0 {
                changes.extend(self.document(&FileKind::CHANGE, &self.change_path(generation))?);
            }
            expected = generation.checked_sub(1);
        }
        Ok(changes)
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
    /// Checks that the rollout state was not lost. A crash leaves at most one change above it. If there are two changes
    /// above it, the next write would overwrite history.
    fn check_history(&self, current: u64) -> Result<()> {
        let path = self.change_path(current.saturating_add(2));
        match path.try_exists().map_err(files::failed("read", &path))? {
            false => Ok(()),
            true => {
                let problem = format!("its generation is {current}, but the history has later changes");
                Err(FileKind::ROLLOUT_STATE.invalid(&self.rollout_state_path(), &problem))
            }
        }
    }

    /// Sets the time of the last write to now, so that `prune` keeps an artifact which is about to be part of a
    /// release. Failures are ignored: the file may belong to another user, and the artifact is stored anyway.
    fn touch(&self, path: &Path) {
        let file = tidegate_files::open(path, Links::RefuseBelow(&self.dir));
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }
}
