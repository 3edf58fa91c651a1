//! A cache of artifacts in a local folder, so that a restarted host does not download them again.
//!
//! The folder is not trusted: the digest of every file is checked. The cache is optional: if the folder cannot be read
//! or written, or if the disk is full, artifacts are downloaded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tidegate_files::read::read_open;
use tidegate_files::{Links, private};
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::rollout::{Halt, RolloutState};
use crate::store::{CanaryCounts, Consistency, LoadReport, LoadSummary, ReleaseReader, Result};

/// A store with a cache of its artifacts in a local folder.
#[derive(Debug)]
pub struct Cached<S: ?Sized> {
    store: Arc<S>,
    dir: PathBuf,
    max_bytes: u64,
}

impl<S: ?Sized> Cached<S> {
    /// Caches artifacts of `store` in the folder `dir`. The folder is created on the first write and must not be used
    /// for anything else. It holds at most `max_bytes` of artifacts. The least recently used ones are removed.
    #[must_use]
    pub fn new(store: Arc<S>, dir: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self { store, dir: dir.into(), max_bytes }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{digest}.{ARTIFACT_EXTENSION}"))
    }

    /// Returns the cached artifact. Removes the file if its digest is wrong.
    fn find(&self, digest: &Digest, size: u64) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let opened = tidegate_files::open(&path, Links::RefuseBelow(&self.dir));
        let found = opened.and_then(|file| read_open(&file, size).map(|bytes| (file, bytes)));
        let (file, bytes) = match found {
            Ok((file, bytes)) if Digest::of(&bytes) == *digest => (file, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            _ => {
                remove(&path);
                return None;
            }
        };
        // The modification time records the last use.
        let _ = file.set_modified(SystemTime::now());
        Some(bytes)
    }

    fn insert(&self, digest: &Digest, bytes: &[u8]) {
        let size = bytes.len() as u64;
        if size > self.max_bytes || Digest::of(bytes) != *digest {
            return;
        }
        self.remove_oldest(self.max_bytes - size);
        let write = || {
            private::create_folder(&self.dir)?;
            private::check_folder(&self.dir)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            file.write_all(bytes)?;
            file.persist(self.path(digest)).map_err(|error| error.error)
        };
        // If the write fails, the artifact is downloaded again next time.
        let _: io::Result<File> = write();
    }

    /// Removes the least recently used files until the remaining ones have at most `max_bytes`. Also removes
    /// half-written files of killed processes.
    fn remove_oldest(&self, max_bytes: u64) {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.insert((used, entry.path()), metadata.len());
            }
        }
        let mut total: u64 = files.values().sum();
        for ((_, path), size) in files {
            if total <= max_bytes {
                return;
            }
            if remove(&path) {
                total = total.saturating_sub(size);
            }
        }
    }
}

/// Removes a file. Returns true if it does not exist afterwards.
fn remove(path: &Path) -> bool {
    fs::remove_file(path).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true)
}

#[async_trait]
impl<S: ReleaseReader + ?Sized> ReleaseReader for Cached<S> {
    async fn rollout_state(&self, consistency: Consistency, deadline: Deadline) -> Result<RolloutState> {
        self.store.rollout_state(consistency, deadline).await
    }

    async fn envelope(&self, release: &ReleaseId, deadline: Deadline) -> Result<Vec<u8>> {
        self.store.envelope(release, deadline).await
    }

    async fn artifact(&self, digest: &Digest, size: u64, deadline: Deadline) -> Result<Vec<u8>> {
        if let Some(bytes) = self.find(digest, size) {
            return Ok(bytes);
        }
        let bytes = self.store.artifact(digest, size, deadline).await?;
        self.insert(digest, &bytes);
        Ok(bytes)
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
