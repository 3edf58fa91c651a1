//! A copy of the release for one run with `--lambda`, so that a build during the run cannot change only some of its
//! processes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidegate_app::Keys;
use tidegate_files::private;
use tidegate_release::folder::{APP_FILE, COMPONENTS_DIR, ID_FILE, KEYS_FILE};

use crate::keys;

/// The folder of all runs, inside the state folder of the app.
const RUNS_DIR: &str = "runs";
/// The lock file. The one in the folder of a run is locked while the run lives. The one in the folder of all runs is
/// locked while a run begins.
const LOCK_FILE: &str = "lock";
/// The time limit for the lock, and the pause between two attempts to take it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The package in the folder of a run.
const PACKAGE_DIR: &str = "package";

/// A copy of a release. Dropping it removes the copy.
pub(crate) struct PackageCopy {
    folder: TempDir,
    _lock: File,
}

impl PackageCopy {
    /// Copies the release in the folder `release`, with the trusted keys, to a new folder in `state_dir`. Removes the
    /// copies of runs that were killed.
    ///
    /// # Errors
    /// The file system fails.
    pub(crate) fn new(release: &Path, keys: &Keys, state_dir: &Path) -> io::Result<Self> {
        // The path must be absolute, because the processes of the functions start in another folder.
        let runs = std::path::absolute(state_dir)?.join(RUNS_DIR);
        private::create_folder(&runs)?;
        let all = private::open_lock(&runs.join(LOCK_FILE))?;
        wait_for(&all)?;
        remove_ended(&runs)?;
        let folder = TempDir::new_in(&runs)?;
        let lock = private::open_lock(&folder.path().join(LOCK_FILE))?;
        wait_for(&lock)?;
        let package = folder.path().join(PACKAGE_DIR);
        copy(release, &package)?;
        write_new(&package.join(KEYS_FILE), &keys::trusted(keys))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Returns the folder of the package.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(PACKAGE_DIR)
    }
}

/// Takes a lock. Another run holds it only while it copies a release.
fn wait_for(lock: &File) -> io::Result<()> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                let reason = "another process has held the lock of the runs for too long";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::options().write(true).create_new(true).mode(private::FILE_MODE).open(path)?.write_all(bytes)
}

/// Removes the folders whose lock is free. A link is not a folder.
fn remove_ended(runs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let folder = entry.path();
        let removed = match entry.file_type()?.is_dir() {
            true => remove_if_ended(&folder),
            false => Ok(()),
        };
        match removed {
            // A run that ends removes its folder itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn remove_if_ended(folder: &Path) -> io::Result<()> {
    match private::open_lock(&folder.join(LOCK_FILE))?.try_lock() {
        Ok(()) => fs::remove_dir_all(folder),
        Err(_) => Ok(()),
    }
}

/// Hard-links the files, or copies them if the file system has no hard links. A build writes new files and never into
/// existing ones.
fn copy(release: &Path, package: &Path) -> io::Result<()> {
    let components = package.join(COMPONENTS_DIR);
    private::create_folder(&components)?;
    let link_or_copy = |from: &Path, to: &Path| fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop));
    for file in [APP_FILE, ID_FILE] {
        link_or_copy(&release.join(file), &package.join(file))?;
    }
    for entry in fs::read_dir(release.join(COMPONENTS_DIR))? {
        let entry = entry?;
        link_or_copy(&entry.path(), &components.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_copies_do_not_change_and_leave_nothing_behind() {
        let release = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let components = release.path().join(COMPONENTS_DIR);
        fs::create_dir(&components).unwrap();
        for file in [release.path().join(APP_FILE), release.path().join(ID_FILE), components.join("a.cwasm")] {
            fs::write(file, "old").unwrap();
        }
        let first = PackageCopy::new(release.path(), &Keys::default(), state.path()).unwrap();
        fs::remove_dir_all(&components).unwrap();
        assert_eq!(fs::read(first.path().join("components/a.cwasm")).unwrap(), b"old");
        assert_eq!(fs::read(first.path().join(KEYS_FILE)).unwrap(), b"{}\n");
        fs::create_dir(&components).unwrap();

        let killed = state.path().join("runs/killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK_FILE), "").unwrap();
        let second = PackageCopy::new(release.path(), &Keys::default(), state.path()).unwrap();
        assert!(!killed.exists());
        assert!(first.path().exists() && second.path().exists());
        let path = second.path();
        drop(second);
        assert!(!path.exists());
    }
}
