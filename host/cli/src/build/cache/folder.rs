//! The folder of the cache: authenticated entries, and the key that authenticates them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_files::read::read_open;
use tidegate_files::{Links, private};

use crate::ui::error::Result;

/// The folder inside the user's cache folder.
const DIR: &str = "tidegate";
/// The file of the key.
const KEY_FILE: &str = "key";
/// The size of the key in bytes: the block size of SHA-256.
const KEY_BYTES: usize = 64;
/// The size of an HMAC-SHA-256.
const MAC_BYTES: usize = 32;
/// The start of the authenticated bytes, so that the key authenticates nothing else.
const PURPOSE: &[u8] = b"tidegate cached artifact, version 1\0";
/// The maximum size of an entry, in bytes. A component with CPython compiles to 39 MB.
const MAX_ENTRY_BYTES: u64 = 256 << 20;
/// The size of all entries above which the least recently used ones are removed, in bytes.
const MAX_TOTAL_BYTES: u64 = 1 << 30;
/// The time without use after which an entry is removed.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The start of the names of temporary files.
const TEMPORARY: &str = ".new-";

/// The folder of the cache.
pub(super) struct Folder {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
}

impl Folder {
    /// Opens the folder inside `$XDG_CACHE_HOME`, or in `~/.cache`. Creates the folder and the key if they are missing.
    ///
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    ///
    /// # Errors
    /// The folder cannot be used safely.
    pub(super) fn open() -> Result<Self> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
        let cache = cache.filter(|path| path.is_absolute()).ok_or_else(|| {
            Diagnostic::new(
                Code::HomeFolderMissing,
                "cannot find a folder for the cache",
                "the user has no home folder",
            )
            .hint("set `XDG_CACHE_HOME` to a folder of this user")
        })?;
        Self::open_in(cache.join(DIR))
    }

    fn open_in(dir: PathBuf) -> Result<Self> {
        let what = || format!("cannot use the cache `{}`", dir.display());
        private::create_folder(&dir).diagnose(Code::FileCreate, what)?;
        private::check_folder(&dir).diagnose(Code::CacheUnsafe, what).map_err(|error| {
            error.hint(format!("remove `{}`, or make it a folder that only this user can use", dir.display()))
        })?;
        // A folder that others can only read is made private.
        fs::set_permissions(&dir, fs::Permissions::from_mode(private::FOLDER_MODE)).diagnose(Code::FileWrite, what)?;
        let key = key(&dir).diagnose(Code::FileWrite, what)?;
        Ok(Self { dir, key })
    }

    /// Reads an entry. Returns `None` if the cache does not have it.
    ///
    /// # Errors
    /// The text says why the entry cannot be used. The next write replaces it.
    pub(super) fn read(&self, entry: &OsStr) -> Result<Option<Vec<u8>>, String> {
        let path = self.dir.join(entry);
        let cannot_use = |reason: &str| format!("cannot use the cached artifact `{}`: {reason}", path.display());
        let file = match tidegate_files::open(&path, Links::RefuseBelow(&self.dir)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_use(&error.to_string())),
        };
        let mut bytes = read_open(&file, MAX_ENTRY_BYTES).map_err(|error| cannot_use(&error.to_string()))?;
        let is_authentic = bytes.split_at_checked(MAC_BYTES).is_some_and(|(mac, artifact)| {
            // The comparison takes the same time wherever the bytes differ.
            self.mac(entry, artifact).verify_slice(mac).is_ok()
        });
        if !is_authentic {
            return Err(cannot_use("it was not written by `tidegate` for this user, or it has changed since"));
        }
        // The modification time records the last use.
        let _ = file.set_modified(SystemTime::now());
        bytes.drain(..MAC_BYTES);
        Ok(Some(bytes))
    }

    /// Writes an entry atomically, because another build may read it.
    pub(super) fn write(&self, entry: &OsStr, artifact: &[u8]) -> io::Result<()> {
        let path = self.dir.join(entry);
        // Temporary files have the mode 0600.
        let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.dir)?;
        temporary.write_all(&self.mac(entry, artifact).finalize().into_bytes())?;
        temporary.write_all(artifact)?;
        // A folder with the name of the entry cannot be replaced by a file.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            fs::remove_dir_all(&path)?;
        }
        temporary.persist(path)?;
        Ok(())
    }

    /// Removes entries that were not used for a long time, and then the least recently used ones until the others fit.
    /// Failures are ignored, because the files only take disk space.
    pub(super) fn prune(&self) {
        self.prune_to(MAX_TOTAL_BYTES);
    }

    fn prune_to(&self, max_bytes: u64) {
        let mut entries = BTreeMap::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() && entry.file_name() != KEY_FILE {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                entries.insert((used, entry.path()), metadata.len());
            }
        }
        let mut total: u64 = entries.values().sum();
        for ((used, path), size) in entries {
            let is_old = used.elapsed().is_ok_and(|age| age > MAX_AGE);
            if total <= max_bytes && !is_old {
                return;
            }
            let _ = fs::remove_file(path);
            total = total.saturating_sub(size);
        }
    }

    /// Returns the code that authenticates the bytes of an artifact together with the name of its entry, so that an
    /// entry cannot be moved to another name.
    fn mac(&self, entry: &OsStr, artifact: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        // The name of every entry has the same length.
        for part in [PURPOSE, entry.as_encoded_bytes(), artifact] {
            mac.update(part);
        }
        mac
    }
}

/// Reads the key, or creates it. A file that is not a private key of this user is replaced, which makes every entry
/// invalid.
fn key(dir: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = dir.join(KEY_FILE);
    for _ in 0..2 {
        match read_key(dir, &path) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!("the key of the cache is replaced: cannot use `{}`: {error}", path.display());
                remove(&path)?;
            }
        }
        create_key(dir, &path)?;
    }
    read_key(dir, &path)
}

fn read_key(dir: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let file = private::open(path, Links::RefuseBelow(dir))?;
    let key = read_open(&file, KEY_BYTES as u64)?;
    key.try_into().map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is too short"))
}

/// Creates the key, unless another process creates it first.
fn create_key(dir: &Path, path: &Path) -> io::Result<()> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    temporary.write_all(&key)?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

#[cfg(test)]
#[path = "folder/tests.rs"]
mod tests;
