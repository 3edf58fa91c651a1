//! Processes that are killed while they publish and activate.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{app, artifacts, document, now, soon};
use tidegate_event::Timestamp;
use tidegate_release::rollout::{Action, Change};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{
    CanaryCounts, Consistency, LoadReport, ReleaseReader as _, ReleaseWriter as _, StoreError, Stored,
};
use tidegate_release::{Digest, Envelope, ReleaseId, ReleaseManifest, RolloutState, SigningKey};

/// The environment variable with the folder of a process that is to be killed.
const DIR: &str = "TIDEGATE_TEST_CRASH_DIR";
/// The time after which such a process ends if it is not killed.
const LIFE: Duration = Duration::from_secs(20);
/// The signed size of each artifact.
const MAX_BYTES: u64 = 64 << 20;
/// The number of killed processes.
const ROUNDS: usize = 20;

/// A process that publishes and activates.
struct Publisher {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Publisher {
    /// Starts the process and waits until it has opened its store.
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "publish_until_killed", "--nocapture"])
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut publisher = Self { child, output };
        publisher.wait_for("begins");
        publisher
    }

    fn wait_for(&mut self, word: &str) -> String {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the process ended");
        }
        line
    }

    /// Kills the process. Returns the last generation in its output from `line` on.
    fn kill(mut self, line: String) -> u64 {
        self.child.kill().unwrap();
        assert!(!self.child.wait().unwrap().success(), "the process ended by itself");
        let lines = std::iter::once(line).chain(self.output.lines().map(|line| line.unwrap()));
        let made = |line: String| line.trim_end().strip_prefix("made ")?.strip_suffix('.')?.parse().ok();
        lines.filter_map(made).last().unwrap_or(0)
    }
}

/// The process that [`Publisher`] starts. It is not a test by itself.
#[test]
fn publish_until_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = FolderStore::open(dir).unwrap();
    println!("begins");
    let end = Instant::now() + LIFE;
    let mut published = Vec::new();
    for number in 0.. {
        if Instant::now() > end {
            return;
        }
        let version = format!("{} of process {}", number, std::process::id());
        published.push(publish(&store, &version));
        let made = activate(&store, &published[published.len() - 1].id());
        writeln!(std::io::stdout(), "made {made}.").unwrap();
        now(store.add_canary_counts(1, CanaryCounts { events: 1, ..CanaryCounts::default() }, soon())).unwrap();
        let report = LoadReport { at: Timestamp::now(), host: "host".to_owned(), failure: None };
        now(store.record_load(&ReleaseId::of(&app(), [], "engine"), &report, soon())).unwrap();
        store.record_deployed(&app()).unwrap();
        if published.len() > 3 {
            remove(&store, &published.remove(0));
        }
    }
}

fn publish(store: &FolderStore, version: &str) -> ReleaseManifest {
    for artifact in artifacts(version) {
        assert_eq!(now(store.put_artifact(&artifact, soon())), Ok(true));
    }
    // The write takes long enough to be interrupted.
    now(store.put_artifact(&version.repeat(200_000).into_bytes(), soon())).unwrap();
    let document = document(version);
    let envelope = Envelope::sign(&document, [&SigningKey::generate().unwrap()]).to_json();
    assert_eq!(now(store.put_envelope(&document.id(), &envelope, soon())), Ok(Stored::New));
    document
}

/// Activates a release. Returns the generation of the change.
fn activate(store: &FolderStore, release: &ReleaseId) -> u64 {
    loop {
        let pointer = now(store.rollout_state(Consistency::Strong, soon())).unwrap();
        let next = pointer.activate(release, None).unwrap();
        let change = pointer.change(&next, Action::Activate, Timestamp::now(), "me".to_owned(), None);
        match now(store.compare_and_set(&next, &change, soon())) {
            Ok(()) => return next.generation,
            // Another process changed the state first, so this one tries again.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn remove(store: &FolderStore, document: &ReleaseManifest) {
    now(store.remove_envelope(&document.id(), soon())).unwrap();
    for digest in document.artifacts() {
        now(store.remove_artifact(&digest, soon())).unwrap();
    }
}

#[test]
fn stores_are_complete_after_processes_are_killed() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    let mut noise = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    let mut made = 0;
    for _ in 0..ROUNDS {
        let mut one = Publisher::start(root.path());
        let other = Publisher::start(root.path());
        let line = one.wait_for("made ");
        for (publisher, line) in [(one, line), (other, String::new())] {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            thread::sleep(Duration::from_micros(u64::from(noise >> 16)));
            made = made.max(publisher.kill(line));
        }
        let pointer = now(store.rollout_state(Consistency::Strong, soon())).unwrap();
        assert!(pointer.generation >= made, "{} of {made}", pointer.generation);
        assert_whole(&store, &pointer);
    }
    assert!(made >= ROUNDS as u64, "one in each round, but {made} in all");
    // Nothing that the killed processes left blocks later calls.
    let document = publish(&store, "the last");
    assert!(activate(&store, &document.id()) > made);
}

fn assert_whole(store: &FolderStore, pointer: &RolloutState) {
    let history = now(store.history(usize::MAX, soon())).unwrap();
    assert!(history.iter().map(|change| change.generation).eq((1..=pointer.generation).rev()));
    let mut active: Option<&Change> = None;
    for change in &history {
        assert_eq!(active.map_or(&pointer.active, |later| &later.from), &change.to);
        active = Some(change);
    }
    for digest in now(store.list_artifacts(soon())).unwrap().keys() {
        let bytes = now(store.artifact(digest, MAX_BYTES, soon())).unwrap();
        assert!(Digest::of(&bytes) == *digest, "of an artifact there are {} bytes", bytes.len());
        // The large artifacts belong to no release and would fill the disk.
        if bytes.len() > 100_000 {
            now(store.remove_artifact(digest, soon())).unwrap();
        }
    }
    for id in now(store.list(soon())).unwrap().keys() {
        let document = Envelope::parse(&now(store.envelope(id, soon())).unwrap()).unwrap().unverified().unwrap();
        assert_eq!(document.id(), *id);
        // A release is published after its artifacts and removed before them.
        for digest in document.artifacts() {
            assert!(now(store.artifact(&digest, MAX_BYTES, soon())).is_ok(), "{id} is published without {digest}");
        }
    }
    now(store.canary_counts(1, soon())).unwrap();
    now(store.load_reports(soon())).unwrap();
    store.deployed().unwrap();
}
