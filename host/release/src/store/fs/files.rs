//! Complete files: each is written under a temporary name, synced, and renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use tidegate_event::Timestamp;
use tidegate_files::{Links, Refused, private, refusal};
use tidegate_ports::Deadline;

use crate::store::{Result, StoreError, StoreFailure};

/// The prefix of the names of temporary files.
const TEMPORARY: &str = ".tidegate-store-";
/// The pause between two attempts to take the lock. The holder of the lock writes only two small files.
const LOCK_PAUSE: Duration = Duration::from_millis(1);
/// The maximum size of a JSON file, in bytes. The rollout state is large while tens of thousands of releases are
/// pruned.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;

/// A kind of JSON file: its name for errors, its maximum size, and the remedy for an invalid one.
#[derive(Debug)]
pub(super) struct FileKind {
    name: &'static str,
    pub(super) limit: u64,
    hint: &'static str,
}

impl FileKind {
    pub(super) const ROLLOUT_STATE: Self = Self::new(
        "rollout state",
        "restore the file from a backup; without one, move the folder `history` away and activate a release again",
    );
    pub(super) const CHANGE: Self = Self::new("change of the rollout state", "restore the file from a backup");
    pub(super) const HALT: Self =
        Self::new("halt of a canary", "remove the file; the canary runs again unless a host halts it again");
    pub(super) const COUNTS: Self = Self::new("event counts of a canary", "remove the file; counting starts at zero");
    pub(super) const REPORTS: Self = Self::new("load reports of hosts", "remove the file; hosts report again");
    pub(super) const DEPLOYED: Self =
        Self::new("deployed app", "restart `tidegate dev --releases`, which writes the file");

    const fn new(name: &'static str, hint: &'static str) -> Self {
        Self { name, limit: MAX_DOCUMENT_BYTES, hint }
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, path: &Path, json: &[u8]) -> Result<T> {
        serde_json::from_slice(json).map_err(|error| self.invalid(path, &error))
    }

    pub(super) fn invalid(&self, path: &Path, problem: &dyn std::fmt::Display) -> StoreError {
        let what = format!("cannot read the {} from `{}`", self.name, path.display());
        StoreError::Invalid(StoreFailure::new(what, problem.to_string()).hint(self.hint))
    }
}

/// Returns a closure for `map_err` on a call of the file system.
pub(super) fn failed(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| {
        let failure = StoreFailure::new(format!("cannot {attempted} `{}`", path.display()), error.to_string());
        match refusal(&error) {
            Some(Refused::TooLarge(_)) => return StoreError::TooLarge(failure),
            Some(_) => {
                return StoreError::Invalid(failure.hint("remove it: a store has regular files and folders only"));
            }
            None => {}
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied(failure),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Unavailable(failure.hint("free some disk space"))
            }
            _ => StoreError::Unavailable(failure),
        }
    }
}

/// Reads a file of at most `limit` bytes in the store `dir`. Returns `None` if it does not exist.
pub(super) fn read(dir: &Path, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    match tidegate_files::read(path, limit, Links::RefuseBelow(dir)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Returns the JSON text of a file.
pub(super) fn json(document: &impl Serialize) -> Vec<u8> {
    // Serialization cannot fail: every key is text and every value has a JSON form.
    let mut json = serde_json::to_vec_pretty(document).unwrap_or_default();
    json.push(b'\n');
    json
}

/// Creates or replaces a file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let (folder, file) = write_beside(path, bytes)?;
    file.persist(path).map_err(|error| failed("write", path)(error.error))?;
    sync(folder)
}

/// Creates a file unless it exists. Returns true if this call created it.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool> {
    let (folder, file) = write_beside(path, bytes)?;
    let created = match file.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("write", path)(error.error)),
    };
    // A file that another process created counts as stored too, so its directory entry must be synced.
    sync(folder)?;
    Ok(created)
}

/// Removes a file. Succeeds if it does not exist.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// Syncs the entries of a folder to the disk.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Writes a synced temporary file in the folder of `path`. Returns that folder and the file.
fn write_beside<'a>(path: &'a Path, bytes: &[u8]) -> Result<(&'a Path, NamedTempFile)> {
    let folder = path.parent().unwrap_or(path);
    let write = || {
        let permissions = Permissions::from_mode(file_mode(folder)?);
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).permissions(permissions).tempfile_in(folder)?;
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map(|file| (folder, file)).map_err(failed("write", path))
}

/// Returns the mode of a new file. Files are private to their owner, unless the group may write to the folder: somebody
/// has then shared the folder on purpose.
fn file_mode(folder: &Path) -> io::Result<u32> {
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(Refused::Link.into());
    }
    let shared = metadata.permissions().mode() & 0o020 != 0;
    Ok(if shared { private::FILE_MODE | 0o060 } else { private::FILE_MODE })
}

/// Lists the files `<key>.<extension>` of a folder with the time of their last write. Files with other names are
/// skipped. The list is empty if the folder does not exist.
pub(super) fn list<K: FromStr + Ord>(folder: &Path, extension: &str) -> Result<BTreeMap<K, Timestamp>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let mut listed = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(failed("list", folder))?.path();
        let Some(key) = key_of(&path, extension) else { continue };
        match fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(modified) => _ = listed.insert(key, modified.into()),
            // Another process removed the file after it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("list", &path)(error)),
        }
    }
    Ok(listed)
}

fn key_of<K: FromStr>(path: &Path, extension: &str) -> Option<K> {
    let stem = path.file_name()?.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
    stem.parse().ok()
}

/// Removes temporary files that killed processes left. Failures are ignored, because the files only take disk space.
pub(super) fn sweep(folder: &Path, abandoned: Duration) {
    let old = |path: &Path| {
        let modified = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok()?;
        SystemTime::now().duration_since(modified).ok().filter(|age| *age > abandoned)
    };
    let temporary = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(TEMPORARY))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(temporary).filter(|path| old(path).is_some()) {
        let _ = fs::remove_file(path);
    }
}

/// A guard of the lock. The system releases the lock when the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a store.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process holds the lock until the deadline.
    pub(super) fn take(dir: &Path, deadline: Deadline) -> Result<Self> {
        let path = dir.join("lock");
        let file = private::open_lock(&path).map_err(failed("open", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                    let what = format!("cannot lock `{}` in time", path.display());
                    return Err(StoreError::Unavailable(StoreFailure::new(what, "another process holds the lock")));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
