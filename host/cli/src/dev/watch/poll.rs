//! Reads folders at intervals, and finds the files that have changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::RecursiveMode;
use tokio::sync::mpsc::UnboundedSender;

/// The interval between two readings.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// The pause is this many times longer than the reading before it, so that a large folder takes a small part of a CPU.
const PAUSE: u32 = 20;
/// The maximum number of entries that are read. A folder with more is a mistake in a pattern, such as `/**`.
const MAX_ENTRIES: usize = 200_000;

/// A thread that reads folders. Dropping it ends the thread.
pub(super) struct Poller {
    _stop: Sender<()>,
}

/// The folders that are read, and the state of their files at the last reading.
struct Folders {
    folders: BTreeMap<PathBuf, RecursiveMode>,
    /// A folder that is not read, because Tidegate itself writes to it.
    skipped: PathBuf,
    files: BTreeMap<PathBuf, Stamp>,
}

/// The properties of a file that change when it is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
}

impl Poller {
    /// Starts to read `folders`, and sends the paths of changed files. Returns `None` if the thread does not start.
    pub(super) fn start(
        folders: BTreeMap<PathBuf, RecursiveMode>,
        skipped: PathBuf,
        period: Duration,
        changed: UnboundedSender<PathBuf>,
    ) -> Option<Self> {
        let (stop, stopped) = channel();
        // The first reading is complete before the caller builds the app, so no change is missed.
        let mut folders = Folders::read(folders, skipped);
        let run = move || {
            let mut pause = period;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let began = Instant::now();
                for path in folders.changes() {
                    if changed.send(path).is_err() {
                        return;
                    }
                }
                pause = period.max(began.elapsed() * PAUSE);
            }
        };
        thread::Builder::new().name("watch-poll".to_owned()).spawn(run).ok()?;
        Some(Self { _stop: stop })
    }
}

impl Folders {
    fn read(folders: BTreeMap<PathBuf, RecursiveMode>, skipped: PathBuf) -> Self {
        let mut new = Self { folders, skipped, files: BTreeMap::new() };
        new.files = new.stamps();
        new
    }

    /// Reads the folders again. Returns the files that are new, changed or removed.
    fn changes(&mut self) -> Vec<PathBuf> {
        let files = self.stamps();
        let changed = files.iter().filter(|(path, stamp)| self.files.get(*path) != Some(*stamp)).map(|(path, _)| path);
        let removed = self.files.keys().filter(|path| !files.contains_key(*path));
        let changes: BTreeSet<PathBuf> = changed.chain(removed).cloned().collect();
        self.files = files;
        changes.into_iter().collect()
    }

    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut files = BTreeMap::new();
        let mut folders: Vec<(PathBuf, RecursiveMode)> =
            self.folders.iter().map(|(folder, mode)| (folder.clone(), *mode)).collect();
        let mut entries = 0;
        while let Some((folder, mode)) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                entries += 1;
                if entries > MAX_ENTRIES {
                    return files;
                }
                let path = entry.path();
                // Links to folders are not followed, as a watch does not follow them.
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if !is_folder {
                    files.extend(stamp(&path).map(|stamp| (path, stamp)));
                } else if mode == RecursiveMode::Recursive && path != self.skipped {
                    folders.push((path, mode));
                }
            }
        }
        files
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    Some(Stamp { size: metadata.len(), inode: metadata.ino(), modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_changed_replaced_and_removed_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("src/deep")).unwrap();
        fs::create_dir_all(path("state")).unwrap();
        fs::write(path("src/kept"), "a").unwrap();
        fs::write(path("src/deep/changed"), "a").unwrap();
        fs::write(path("src/gone"), "a").unwrap();
        let watched = [(folder.path().to_owned(), RecursiveMode::Recursive)].into();
        let mut folders = Folders::read(watched, path("state"));
        assert_eq!(folders.changes(), <[PathBuf; 0]>::default());
        // The size and the time of a file can stay the same when it is replaced.
        let times = fs::metadata(path("src/deep/changed")).unwrap().modified().unwrap();
        fs::write(path("new"), "b").unwrap();
        fs::File::open(path("new")).unwrap().set_modified(times).unwrap();
        fs::rename(path("new"), path("src/deep/changed")).unwrap();
        fs::remove_file(path("src/gone")).unwrap();
        fs::write(path("src/added"), "a").unwrap();
        fs::write(path("state/ignored"), "a").unwrap();
        assert_eq!(folders.changes(), [path("src/added"), path("src/deep/changed"), path("src/gone")]);
        // A write within the same second.
        let file = fs::File::options().write(true).open(path("src/added")).unwrap();
        file.set_modified(times + Duration::from_nanos(1_000_000)).unwrap();
        assert_eq!(folders.changes(), [path("src/added")]);
    }

    #[test]
    fn folders_are_read_as_deep_as_they_are_watched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        let watched = [(folder.path().to_owned(), RecursiveMode::NonRecursive)].into();
        let mut folders = Folders::read(watched, PathBuf::new());
        fs::write(folder.path().join("src/file"), "a").unwrap();
        fs::write(folder.path().join("file"), "a").unwrap();
        assert_eq!(folders.changes(), [folder.path().join("file")]);
    }
}
