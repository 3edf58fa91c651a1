//! Files that are whole: written beside their place, synced, and put there in one step.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;

use crate::store::{Result, StoreError};

/// What the name of a temporary file begins with.
const TEMPORARY: &str = ".tidegate-store-";
/// How long to wait before another attempt at the lock. It is held for as long as two small files take to be written.
const LOCK_PAUSE: Duration = Duration::from_millis(1);
/// The largest document, in bytes. The pointer is the one that may be large, while tens of thousands of releases are pruned.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;

/// A kind of document: what it is called, the most bytes of one, and what to do about one that makes no sense.
#[derive(Debug)]
pub(super) struct Kind {
    what: &'static str,
    pub(super) limit: u64,
    hint: &'static str,
}

impl Kind {
    pub(super) const POINTER: Self = Self::new(
        "pointer",
        "restore it from a copy; where there is none, move the folder `history` away with it, and activate a release anew",
    );
    pub(super) const CHANGE: Self = Self::new("change of the pointer", "restore it from a copy");
    pub(super) const HALT: Self =
        Self::new("halt of a canary", "remove it; the canary runs again unless hosts halt it anew");
    pub(super) const TALLY: Self = Self::new("count of a canary", "remove it; counting begins at zero again");
    pub(super) const REPORTED: Self = Self::new("report of hosts", "remove it; hosts report anew");
    pub(super) const DEPLOYED: Self = Self::new("deployed app", "`tidegate dev --releases` writes it anew");

    const fn new(what: &'static str, hint: &'static str) -> Self {
        Self { what, limit: MAX_DOCUMENT_BYTES, hint }
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, path: &Path, json: &[u8]) -> Result<T> {
        serde_json::from_slice(json).map_err(|error| self.invalid(path, &error))
    }

    pub(super) fn invalid(&self, path: &Path, problem: &dyn std::fmt::Display) -> StoreError {
        let Self { what, hint, .. } = self;
        StoreError::Invalid(format!("`{}` is no {what}: {problem}; hint: {hint}", path.display()))
    }
}

/// For `map_err` on a call of the file system.
pub(super) fn failed(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| {
        let problem = format!("cannot {attempted} `{}`: {error}", path.display());
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied(problem),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StoreError::Unavailable(format!("{problem}; hint: make room there"))
            }
            _ => StoreError::Unavailable(problem),
        }
    }
}

/// The bytes of a file; none where there is no file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(Some(bytes));
    }
    Err(StoreError::Invalid(format!("`{}` has more than {limit} bytes", path.display())))
}

/// As the text of a file.
pub(super) fn json(document: &impl Serialize) -> Vec<u8> {
    // Every key is text and every value has a JSON form, so this cannot fail.
    let mut json = serde_json::to_vec_pretty(document).unwrap_or_default();
    json.push(b'\n');
    json
}

/// Puts a file in the place of what is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let (folder, file) = write_beside(path, bytes)?;
    file.persist(path).map_err(|error| failed("write", path)(error.error))?;
    sync(folder)
}

/// Puts a file where nothing is; whether nothing was.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<bool> {
    let (folder, file) = write_beside(path, bytes)?;
    let created = match file.persist_noclobber(path) {
        Ok(_) => true,
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("write", path)(error.error)),
    };
    // Another process may have been first a moment ago, and its file is answered as stored too.
    sync(folder)?;
    Ok(created)
}

/// Removes a file; it is no error when there is none.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// A synced temporary file in the folder of `path`, and that folder.
fn write_beside<'a>(path: &'a Path, bytes: &[u8]) -> Result<(&'a Path, NamedTempFile)> {
    let folder = path.parent().unwrap_or(path);
    let write = || {
        // Others may read it, as they may any new file: a temporary one is its maker's alone unless told otherwise.
        let permissions = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).permissions(permissions).tempfile_in(folder)?;
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map(|file| (folder, file)).map_err(failed("write", path))
}

/// The files `<key>.<extension>` of a folder with when they were written; those with other names are not the store's. None
/// where there is no folder.
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
        match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(modified) => _ = listed.insert(key, modified.into()),
            // It was removed meanwhile.
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

/// Removes the temporary files that processes left which were killed. It is tried, not more: they only take room.
pub(super) fn sweep(folder: &Path, abandoned: Duration) {
    let old = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
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

/// Holds the lock for as long as it lives; a process that ends lets go of it, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a store. By the deadline another process may still hold it.
    pub(super) fn take(dir: &Path, deadline: Deadline) -> Result<Self> {
        let path = dir.join("lock");
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed("open", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                    let problem = format!("cannot lock `{}` in time: another process holds it", path.display());
                    return Err(StoreError::Unavailable(problem));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
