//! A folder as a store of releases.
//!
//! ```text
//! lock                       held by whoever changes a file that changes
//! pointer.json               the pointer
//! history/<generation>.json  its changes, the generation in 20 digits
//! releases/<id>.json         signed releases
//! artifacts/<digest>.cwasm   artifacts
//! status/halts/<run>.json    canaries that were halted
//! status/canaries/<run>.json what canaries did
//! status/releases/<id>.json  what hosts reported
//! deployed.json              the app that serves from this folder, as it was deployed
//! ```
//!
//! A file is written beside its place, synced, and put there in one step, so that a reader, who needs no lock, finds a whole
//! one, and a crash leaves a whole one. The pointer is written after its change: a change of a generation above the
//! pointer's is what a crash left, is not part of history, and is replaced by the next. What is immutable is put only where
//! nothing is.
//!
//! Calls block their thread for as long as the file system does, and, where they change a file that changes, for as long as
//! another process holds the lock, until their deadline.
//!
//! - `files`: files that are whole
//! - `reader` and `writer`: the two traits, on these files

mod files;
mod reader;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Digest;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::store::{Result, StoreError};
use tidegate_app::App;

use files::{Kind, failed};

/// A store in a folder. Clones are the same store, and so are others of the same folder, in whatever process.
#[derive(Debug, Clone)]
pub struct FolderStore {
    dir: PathBuf,
}

/// A temporary file that is older was left by a process that was killed: none takes as long to write.
const ABANDONED: Duration = Duration::from_secs(3_600);

impl FolderStore {
    /// The store in the folder `dir`; what of it is missing is made. One that may only be read is a store to read from.
    ///
    /// # Errors
    /// When `dir` is missing and cannot be made, or the file system fails.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let dir = std::path::absolute(dir).map_err(failed("find", dir))?;
        let store = Self { dir };
        for folder in store.folders() {
            match store.create(&folder) {
                Err(StoreError::Denied(_)) if store.dir.is_dir() => break,
                created => created?,
            }
            files::sweep(&folder, ABANDONED);
        }
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The pointer's file, to be watched: each change puts another in its place. It is missing before the first.
    #[must_use]
    pub fn pointer_path(&self) -> PathBuf {
        self.dir.join("pointer.json")
    }

    /// The folder of the canaries that were halted, to be watched: a file appears for each.
    #[must_use]
    pub fn halts_dir(&self) -> PathBuf {
        self.dir.join("status/halts")
    }

    /// Notes which app serves from this folder, as it was deployed: releases must have its routing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn record_deployed(&self, app: &App) -> Result<()> {
        files::replace(&self.deployed_path(), app.to_json().as_bytes())
    }

    /// The app that serves from this folder, as it was deployed; none where none was noted.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when what is there is no app.
    pub fn deployed(&self) -> Result<Option<App>> {
        let path = self.deployed_path();
        let Some(json) = self.read(&path, Kind::DEPLOYED.limit)? else { return Ok(None) };
        App::from_json(&path, &json).map(Some).map_err(|error| Kind::DEPLOYED.invalid(&path, &error))
    }

    /// Makes a folder, and sees to it that it is there after a crash.
    fn create(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        folder.parent().map_or(Ok(()), files::sync)
    }

    /// The bytes of a file, at most `limit`; none where there is no file.
    fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        match files::read(path, limit)? {
            None if !self.dir.is_dir() => Err(self.missing()),
            found => Ok(found),
        }
    }

    fn missing(&self) -> StoreError {
        let problem = format!("cannot read `{}`: the folder is gone; hint: open it again", self.dir.display());
        StoreError::Unavailable(problem)
    }

    fn folders(&self) -> [PathBuf; 7] {
        let dir = |name: &str| self.dir.join(name);
        [
            self.dir.clone(),
            dir("history"),
            self.releases_dir(),
            self.artifacts_dir(),
            self.halts_dir(),
            dir("status/canaries"),
            self.reports_dir(),
        ]
    }

    fn releases_dir(&self) -> PathBuf {
        self.dir.join("releases")
    }

    fn artifacts_dir(&self) -> PathBuf {
        self.dir.join("artifacts")
    }

    fn reports_dir(&self) -> PathBuf {
        self.dir.join("status/releases")
    }

    fn deployed_path(&self) -> PathBuf {
        self.dir.join("deployed.json")
    }

    fn change_path(&self, generation: u64) -> PathBuf {
        self.dir.join("history").join(format!("{generation:020}.json"))
    }

    fn envelope_path(&self, release: &ReleaseId) -> PathBuf {
        self.releases_dir().join(format!("{release}.json"))
    }

    fn artifact_path(&self, digest: &Digest) -> PathBuf {
        self.artifacts_dir().join(format!("{digest}.{ARTIFACT_EXTENSION}"))
    }

    fn halt_path(&self, run: u64) -> PathBuf {
        self.halts_dir().join(format!("{run}.json"))
    }

    fn tally_path(&self, run: u64) -> PathBuf {
        self.dir.join("status/canaries").join(format!("{run}.json"))
    }

    fn report_path(&self, release: &ReleaseId) -> PathBuf {
        self.reports_dir().join(format!("{release}.json"))
    }
}
