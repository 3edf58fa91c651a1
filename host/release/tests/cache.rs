//! Artifacts in a folder before a store.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use support::recording::RecordingStore;
use support::{now, soon};
use tempfile::TempDir;
use tidegate_release::store::cached::Cached;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{CanaryCounts, Consistency, LoadReport, ReleaseReader, ReleaseWriter as _, StoreError};
use tidegate_release::{Digest, ReleaseId, RolloutState};

struct Subject {
    cached: Cached<RecordingStore>,
    fetched: Arc<RecordingStore>,
    root: TempDir,
}

impl Subject {
    fn new(max_bytes: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = FolderStore::open(root.path().join("store")).unwrap();
        let fetched = Arc::new(RecordingStore::new(store));
        let cached = Cached::new(Arc::clone(&fetched), root.path().join("cache"), max_bytes);
        Self { cached, fetched, root }
    }

    fn put(&self, bytes: &[u8]) -> Digest {
        now(self.fetched.store.put_artifact(bytes, soon())).unwrap();
        Digest::of(bytes)
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir().join(format!("{digest}.cwasm"))
    }

    /// Gets an artifact; whether it was fetched for it.
    fn fetches(&self, bytes: &[u8]) -> bool {
        let before = self.fetched.reads().len();
        let digest = Digest::of(bytes);
        assert_eq!(now(self.cached.artifact(&digest, soon())).unwrap(), bytes);
        self.fetched.reads().len() > before
    }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

fn bytes(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Makes a file look as if it had not been used for so many seconds.
fn age(path: &Path, seconds: u64) {
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(seconds));
    File::open(path).unwrap().set_times(times).unwrap();
}

#[test]
fn an_artifact_is_fetched_once() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    assert!(subject.fetches(b"artifact"));
    assert!(!subject.fetches(b"artifact"));
    // What is in the folder outlives the process.
    let again = Cached::new(Arc::clone(&subject.fetched), subject.dir(), 1_000);
    assert_eq!(now(again.artifact(&Digest::of(b"artifact"), soon())).as_deref(), Ok(b"artifact".as_slice()));
    assert_eq!(subject.fetched.reads().len(), 1);
}

#[test]
fn an_altered_file_is_fetched_anew() {
    let subject = Subject::new(1_000);
    let digest = subject.put(b"artifact");
    assert!(subject.fetches(b"artifact"));
    for altered in [b"artifice".as_slice(), b"", b"artif", b"artifact, and more", &[0; 5_000]] {
        fs::write(subject.path(&digest), altered).unwrap();
        assert!(subject.fetches(b"artifact"), "{} bytes", altered.len());
        assert!(!subject.fetches(b"artifact"));
    }
    // Where there is nothing to fetch, the altered file is not used for want of a better one.
    now(subject.fetched.store.remove_artifact(&digest, soon())).unwrap();
    fs::write(subject.path(&digest), "artifice").unwrap();
    assert!(matches!(now(subject.cached.artifact(&digest, soon())), Err(StoreError::NotFound(_))));
    assert!(!subject.path(&digest).exists());
}

#[test]
fn what_a_store_altered_is_not_kept() {
    let subject = Subject::new(1_000);
    let digest = subject.put(b"artifact");
    let stored = subject.root.path().join("store/artifacts").join(format!("{digest}.cwasm"));
    fs::write(stored, "artifice").unwrap();
    // Whoever loads it makes its digest, and says what is wrong.
    assert_eq!(now(subject.cached.artifact(&digest, soon())).as_deref(), Ok(b"artifice".as_slice()));
    assert!(!subject.path(&digest).exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_no_error() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    fs::write(subject.dir(), "a file").unwrap();
    assert!(subject.fetches(b"artifact"));
    assert!(subject.fetches(b"artifact"));
    fs::remove_file(subject.dir()).unwrap();
    fs::create_dir(subject.dir()).unwrap();
    // A folder is where the file would be.
    fs::create_dir(subject.path(&Digest::of(b"artifact"))).unwrap();
    assert!(subject.fetches(b"artifact"));
    assert!(subject.fetches(b"artifact"));
    assert_eq!(files(&subject.dir()), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_made_is_no_error() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    // No file can be made there, even by root.
    let cached = Cached::new(Arc::clone(&subject.fetched), "/proc/self/cache", 1_000);
    assert_eq!(now(cached.artifact(&Digest::of(b"artifact"), soon())).as_deref(), Ok(b"artifact".as_slice()));
}

#[test]
fn those_that_were_not_used_for_longest_make_room() {
    let subject = Subject::new(300);
    let artifacts: Vec<_> = (0..4_u8).map(|number| vec![number; 100]).collect();
    let digests: Vec<_> = artifacts.iter().map(|bytes| subject.put(bytes)).collect();
    for number in 0..3 {
        assert!(subject.fetches(&artifacts[number]));
        age(&subject.path(&digests[number]), 100 - number as u64);
    }
    // The first is used again, so the second is the oldest.
    assert!(!subject.fetches(&artifacts[0]));
    assert!(subject.fetches(&artifacts[3]));
    assert_eq!((files(&subject.dir()), bytes(&subject.dir())), (3, 300));
    assert!(!subject.path(&digests[1]).exists());
    for number in [0, 2, 3] {
        assert!(!subject.fetches(&artifacts[number]), "artifact {number}");
    }
}

#[test]
fn the_folder_is_bounded() {
    let subject = Subject::new(1_000);
    for number in 0..50_usize {
        let artifact = vec![u8::try_from(number).unwrap(); 10 + number * 37 % 600];
        subject.put(&artifact);
        subject.fetches(&artifact);
        assert!(bytes(&subject.dir()) <= 1_000);
    }
    let large = vec![1; 1_001];
    subject.put(&large);
    let before = files(&subject.dir());
    assert!(subject.fetches(&large));
    assert!(subject.fetches(&large));
    assert_eq!(files(&subject.dir()), before, "what does not fit makes no room");
    // What a process left that was killed.
    fs::write(subject.dir().join(".tmp123456"), vec![0; 5_000]).unwrap();
    age(&subject.dir().join(".tmp123456"), 50);
    subject.put(b"small");
    subject.fetches(b"small");
    assert!(bytes(&subject.dir()) <= 1_000);
    assert!(!subject.fetches(b"small"));
}

#[test]
fn the_rest_is_the_store_s() {
    let root = tempfile::tempdir().unwrap();
    let store: Arc<dyn ReleaseReader> = Arc::new(FolderStore::open(root.path()).unwrap());
    let cached: Arc<dyn ReleaseReader> = Arc::new(Cached::new(Arc::clone(&store), root.path().join("cache"), 1_000));
    assert_eq!(now(cached.rollout_state(Consistency::Eventual, soon())), Ok(RolloutState::default()));
    let id: ReleaseId = "0123456789abcdef".parse().unwrap();
    assert!(matches!(now(cached.envelope(&id, soon())), Err(StoreError::NotFound(_))));
    let tally = CanaryCounts { events: 1, ..CanaryCounts::default() };
    assert_eq!(now(cached.add_canary_counts(1, tally, soon())), Ok(tally));
    assert_eq!(now(store.canary_counts(1, soon())), Ok(tally));
    assert_eq!(now(cached.canary_counts(1, soon())), Ok(tally));
    let report = LoadReport { at: tidegate_event::Timestamp::now(), host: "host".to_owned(), failure: None };
    now(cached.record_load(&id, &report, soon())).unwrap();
    assert_eq!(now(cached.load_reports(soon())), now(store.load_reports(soon())));
    let reason = "11 failures".to_owned();
    let halt = tidegate_release::rollout::Halt { run: 1, release: id, at: report.at, host: report.host, reason };
    assert_eq!(now(cached.record_halt(&halt, soon())).as_ref(), Ok(&halt));
    assert_eq!(now(cached.halt(1, soon())), Ok(Some(halt)));
}
