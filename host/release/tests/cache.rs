//! Tests of the cache of artifacts.

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

/// The signed size of each artifact.
const MAX_BYTES: u64 = 10_000;

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

    /// Reads an artifact. Returns true if it was fetched from the store.
    fn fetches(&self, bytes: &[u8]) -> bool {
        let before = self.fetched.reads().len();
        let digest = Digest::of(bytes);
        assert_eq!(now(self.cached.artifact(&digest, MAX_BYTES, soon())).unwrap(), bytes);
        self.fetched.reads().len() > before
    }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

fn bytes(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Sets the last use of a file to this many seconds ago.
fn age(path: &Path, seconds: u64) {
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(seconds));
    File::open(path).unwrap().set_times(times).unwrap();
}

#[test]
fn artifacts_are_fetched_once() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    assert!(subject.fetches(b"artifact"));
    assert!(!subject.fetches(b"artifact"));
    // The folder outlives the process.
    let again = Cached::new(Arc::clone(&subject.fetched), subject.dir(), 1_000);
    assert_eq!(now(again.artifact(&Digest::of(b"artifact"), MAX_BYTES, soon())).as_deref(), Ok(b"artifact".as_slice()));
    assert_eq!(subject.fetched.reads().len(), 1);
}

#[test]
fn altered_files_are_fetched_again() {
    let subject = Subject::new(1_000);
    let digest = subject.put(b"artifact");
    assert!(subject.fetches(b"artifact"));
    for altered in [b"artifice".as_slice(), b"", b"artif", b"artifact, and more", &[0; 5_000]] {
        fs::write(subject.path(&digest), altered).unwrap();
        assert!(subject.fetches(b"artifact"), "{} bytes", altered.len());
        assert!(!subject.fetches(b"artifact"));
    }
    // The altered file is not used even if there is nothing to fetch.
    now(subject.fetched.store.remove_artifact(&digest, soon())).unwrap();
    fs::write(subject.path(&digest), "artifice").unwrap();
    assert!(matches!(now(subject.cached.artifact(&digest, MAX_BYTES, soon())), Err(StoreError::NotFound(_))));
    assert!(!subject.path(&digest).exists());
}

#[test]
fn artifacts_with_a_wrong_digest_are_not_cached() {
    let subject = Subject::new(1_000);
    let digest = subject.put(b"artifact");
    let stored = subject.root.path().join("store/artifacts").join(format!("{digest}.cwasm"));
    fs::write(stored, "artifice").unwrap();
    // The caller checks the digest and reports the error.
    assert_eq!(now(subject.cached.artifact(&digest, MAX_BYTES, soon())).as_deref(), Ok(b"artifice".as_slice()));
    assert!(!subject.path(&digest).exists());
}

#[test]
fn unusable_folders_are_ignored() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    fs::write(subject.dir(), "a file").unwrap();
    assert!(subject.fetches(b"artifact"));
    assert!(subject.fetches(b"artifact"));
    fs::remove_file(subject.dir()).unwrap();
    fs::create_dir(subject.dir()).unwrap();
    // The path of the artifact is a folder.
    fs::create_dir(subject.path(&Digest::of(b"artifact"))).unwrap();
    assert!(subject.fetches(b"artifact"));
    assert!(subject.fetches(b"artifact"));
    assert_eq!(files(&subject.dir()), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn folders_that_cannot_be_created_are_ignored() {
    let subject = Subject::new(1_000);
    subject.put(b"artifact");
    // Not even root can create a file there.
    let cached = Cached::new(Arc::clone(&subject.fetched), "/proc/self/cache", 1_000);
    assert_eq!(
        now(cached.artifact(&Digest::of(b"artifact"), MAX_BYTES, soon())).as_deref(),
        Ok(b"artifact".as_slice())
    );
}

#[test]
fn least_recently_used_artifacts_are_removed() {
    let subject = Subject::new(300);
    let artifacts: Vec<_> = (0..4_u8).map(|number| vec![number; 100]).collect();
    let digests: Vec<_> = artifacts.iter().map(|bytes| subject.put(bytes)).collect();
    for number in 0..3 {
        assert!(subject.fetches(&artifacts[number]));
        age(&subject.path(&digests[number]), 100 - number as u64);
    }
    // The first artifact is used again, so the second one is the least recently used.
    assert!(!subject.fetches(&artifacts[0]));
    assert!(subject.fetches(&artifacts[3]));
    assert_eq!((files(&subject.dir()), bytes(&subject.dir())), (3, 300));
    assert!(!subject.path(&digests[1]).exists());
    for number in [0, 2, 3] {
        assert!(!subject.fetches(&artifacts[number]), "artifact {number}");
    }
}

#[test]
fn the_cache_is_bounded() {
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
    assert_eq!(files(&subject.dir()), before, "an artifact that does not fit removes nothing");
    // A killed process left a temporary file.
    fs::write(subject.dir().join(".tmp123456"), vec![0; 5_000]).unwrap();
    age(&subject.dir().join(".tmp123456"), 50);
    subject.put(b"small");
    subject.fetches(b"small");
    assert!(bytes(&subject.dir()) <= 1_000);
    assert!(!subject.fetches(b"small"));
}

#[test]
fn other_calls_go_to_the_store() {
    let root = tempfile::tempdir().unwrap();
    let store: Arc<dyn ReleaseReader> = Arc::new(FolderStore::open(root.path()).unwrap());
    let cached: Arc<dyn ReleaseReader> = Arc::new(Cached::new(Arc::clone(&store), root.path().join("cache"), 1_000));
    assert_eq!(now(cached.rollout_state(Consistency::Eventual, soon())), Ok(RolloutState::default()));
    let id: ReleaseId = "0123456789abcdef".parse().unwrap();
    assert!(matches!(now(cached.envelope(&id, soon())), Err(StoreError::NotFound(_))));
    let counts = CanaryCounts { events: 1, ..CanaryCounts::default() };
    assert_eq!(now(cached.add_canary_counts(1, counts, soon())), Ok(counts));
    assert_eq!(now(store.canary_counts(1, soon())), Ok(counts));
    assert_eq!(now(cached.canary_counts(1, soon())), Ok(counts));
    let report = LoadReport { at: tidegate_event::Timestamp::now(), host: "host".to_owned(), failure: None };
    now(cached.record_load(&id, &report, soon())).unwrap();
    assert_eq!(now(cached.load_reports(soon())), now(store.load_reports(soon())));
    let reason = "11 failures".to_owned();
    let halt = tidegate_release::rollout::Halt { run: 1, release: id, at: report.at, host: report.host, reason };
    assert_eq!(now(cached.record_halt(&halt, soon())).as_ref(), Ok(&halt));
    assert_eq!(now(cached.halt(1, soon())), Ok(Some(halt)));
}
