//! A store in a folder.
//!
//! ```text
//! lock                       held while a process changes a file that is not immutable
//! pointer.json               the rollout state
//! history/<generation>.json  its changes; the generation has 20 digits
//! releases/<id>.json         signed releases
//! artifacts/<digest>.cwasm   artifacts
//! status/halts/<run>.json    halted canaries
//! status/canaries/<run>.json event counts of canaries
//! status/releases/<id>.json  load reports of hosts
//! deployed.json              the app that the hosts of this folder were started with
//! ```
//!
//! A file is written under a temporary name, synced, and renamed. Readers need no lock: they find a complete file, even
//! after a crash. The change is written before the rollout state. A change whose generation is above that of the
//! rollout state was left by a crash. It is not part of the history, and the next change replaces it. Immutable files
//! are never replaced.
//!
//! Calls block their thread while they wait for the file system. A call that changes a file waits for the lock until
//! its deadline.
//!
//! - `files`: reading and writing complete files
//! - `reader` and `writer`: the implementations of the two traits

mod files;
mod reader;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_app::App;
use tidegate_files::{Refused, private};

use crate::digest::Digest;
use crate::folder::ARTIFACT_EXTENSION;
use crate::id::ReleaseId;
use crate::store::{Result, StoreError, StoreFailure};

use files::{FileKind, failed};

/// A store in a folder. Its clones share its content with all other stores of the same folder, in any process.
#[derive(Debug, Clone)]
pub struct FolderStore {
    dir: PathBuf,
}

/// The age at which a temporary file is regarded as left by a killed process. No file takes this long to write.
const ABANDONED: Duration = Duration::from_secs(3_600);

impl FolderStore {
    /// Opens the store in the folder `dir` and creates the missing folders, which only their owner can use. A store in
    /// a read-only folder can be read. `dir` may be a symbolic link, and no folder in it may be one.
    ///
    /// # Errors
    /// If `dir` does not exist and cannot be created, if the file system fails, or if a folder is a symbolic link.
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

    /// Returns the absolute path of the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of the rollout state's file, for a watcher. The file is replaced on each change and does not
    /// exist before the first one.
    #[must_use]
    pub fn rollout_state_path(&self) -> PathBuf {
        self.dir.join("pointer.json")
    }

    /// Returns the path of the folder of halts, for a watcher. A file appears in it for each halt.
    #[must_use]
    pub fn halts_dir(&self) -> PathBuf {
        self.dir.join("status/halts")
    }

    /// Records the app that the hosts of this folder were started with. Releases must have its routing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn record_deployed(&self, app: &App) -> Result<()> {
        files::replace(&self.deployed_path(), app.to_json().as_bytes())
    }

    /// Reads the app that the hosts of this folder were started with. Returns `None` if it was never recorded.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the file is not a valid app.
    pub fn deployed(&self) -> Result<Option<App>> {
        let path = self.deployed_path();
        let Some(json) = self.read_document(&FileKind::DEPLOYED, &path)? else { return Ok(None) };
        App::from_json(&path, &json).map(Some).map_err(|error| FileKind::DEPLOYED.invalid(&path, &error))
    }

    /// Creates a folder and syncs its parent, so that the folder survives a crash.
    fn create(&self, folder: &Path) -> Result<()> {
        // Every folder on the way from `dir` to this one is real.
        let below = |folder: &&Path| folder.starts_with(&self.dir) && *folder != self.dir;
        if folder.ancestors().take_while(below).any(Path::is_symlink) {
            return Err(failed("use", folder)(Refused::Link.into()));
        }
        if folder.is_dir() {
            return Ok(());
        }
        private::create_folder(folder).map_err(failed("create", folder))?;
        folder.parent().map_or(Ok(()), files::sync)
    }

    /// Reads a file of at most `limit` bytes. Returns `None` if it does not exist.
    fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        match files::read(&self.dir, path, limit)? {
            None if !self.dir.is_dir() => Err(self.missing()),
            found => Ok(found),
        }
    }

    fn missing(&self) -> StoreError {
        let what = format!("cannot read `{}`", self.dir.display());
        StoreError::Unavailable(StoreFailure::new(what, "the folder was removed").hint("restart the command"))
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

    fn counts_path(&self, run: u64) -> PathBuf {
        self.dir.join("status/canaries").join(format!("{run}.json"))
    }

    fn report_path(&self, release: &ReleaseId) -> PathBuf {
        self.reports_dir().join(format!("{release}.json"))
    }
}
