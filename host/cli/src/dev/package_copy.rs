//! The release of one run, as a deployed package is: a build meanwhile must not change half of the processes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate_app::Keys;
use tidegate_release::folder::{APP_FILE, COMPONENTS_DIR, ID_FILE, KEYS_FILE};

use crate::keys;

/// Where runs keep their folders, in the folder of what Tidegate makes of an app.
const RUNS_DIR: &str = "runs";
/// Locked in a run's folder for as long as the run lives, and in that of all runs while one begins.
const LOCK_FILE: &str = "lock";
/// The package in a run's folder.
const PACKAGE_DIR: &str = "package";

/// A copy of a release, removed when this is dropped.
pub(crate) struct Deployed {
    folder: TempDir,
    _lock: File,
}

impl Deployed {
    /// Copies the release in the folder `release`, with the keys that its hosts trust, into a folder of its own in
    /// `state_dir`, and removes those of runs that were killed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn new(release: &Path, keys: &Keys, state_dir: &Path) -> io::Result<Self> {
        // Processes begin in another folder than this one.
        let runs = std::path::absolute(state_dir)?.join(RUNS_DIR);
        fs::create_dir_all(&runs)?;
        let all = File::create(runs.join(LOCK_FILE))?;
        all.lock()?;
        remove_ended(&runs)?;
        let folder = TempDir::new_in(&runs)?;
        let lock = File::create(folder.path().join(LOCK_FILE))?;
        lock.lock()?;
        let package = folder.path().join(PACKAGE_DIR);
        copy(release, &package)?;
        fs::write(package.join(KEYS_FILE), keys::trusted(keys))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The package's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(PACKAGE_DIR)
    }
}

/// Removes the folders that nobody holds a lock in.
fn remove_ended(runs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(runs)? {
        let folder = entry?.path();
        let removed = match folder.is_dir() {
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
    match File::create(folder.join(LOCK_FILE))?.try_lock() {
        Ok(()) => fs::remove_dir_all(folder),
        Err(_) => Ok(()),
    }
}

/// A build writes new files and never into old ones, so that links are enough where the file system has them.
fn copy(release: &Path, package: &Path) -> io::Result<()> {
    let components = package.join(COMPONENTS_DIR);
    fs::create_dir_all(&components)?;
    let take = |from: &Path, to: &Path| fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop));
    for file in [APP_FILE, ID_FILE] {
        take(&release.join(file), &package.join(file))?;
    }
    for entry in fs::read_dir(release.join(COMPONENTS_DIR))? {
        let entry = entry?;
        take(&entry.path(), &components.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_release_as_it_was_and_ended_runs_leave_nothing() {
        let (release, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let components = release.path().join(COMPONENTS_DIR);
        fs::create_dir(&components).unwrap();
        for file in [release.path().join(APP_FILE), release.path().join(ID_FILE), components.join("a.cwasm")] {
            fs::write(file, "old").unwrap();
        }
        let first = Deployed::new(release.path(), &Keys::default(), state.path()).unwrap();
        fs::remove_dir_all(&components).unwrap();
        assert_eq!(fs::read(first.path().join("components/a.cwasm")).unwrap(), b"old");
        assert_eq!(fs::read(first.path().join(KEYS_FILE)).unwrap(), b"{}\n");
        fs::create_dir(&components).unwrap();

        let killed = state.path().join("runs/killed");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join(LOCK_FILE), "").unwrap();
        let second = Deployed::new(release.path(), &Keys::default(), state.path()).unwrap();
        assert!(!killed.exists());
        assert!(first.path().exists() && second.path().exists());
        let path = second.path();
        drop(second);
        assert!(!path.exists());
    }
}
