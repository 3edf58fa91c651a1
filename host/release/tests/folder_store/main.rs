//! Tests of the store in a folder.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod damage;
mod hostile;
mod sharing;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use support::{app, now, soon};
use tempfile::TempDir;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::rollout::{Action, Change, Halt};
use tidegate_release::store::fs::FolderStore;
use tidegate_release::store::{
    CanaryCounts, Consistency, LoadReport, ReleaseReader as _, ReleaseWriter as _, StoreError, StoreFailure, Stored,
};
use tidegate_release::{Digest, ReleaseId, RolloutState};

/// The signed size of each artifact.
const MAX_BYTES: u64 = 10_000;

struct Subject {
    store: FolderStore,
    directory: TempDir,
}

impl Subject {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { store: FolderStore::open(directory.path().join("a/store")).unwrap(), directory }
    }

    fn store(&self) -> &FolderStore {
        &self.store
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.store.dir().join(file), text).unwrap();
    }

    fn state(&self) -> Result<RolloutState, StoreError> {
        now(self.store.rollout_state(Consistency::Strong, soon()))
    }

    fn history(&self) -> Result<Vec<Change>, StoreError> {
        now(self.store.history(100, soon()))
    }

    /// Changes the rollout state `times` times.
    fn change(&self, times: u64) {
        for _ in 0..times {
            let (next, change) = next(&self.state().unwrap());
            now(self.store.compare_and_set(&next, &change, soon())).unwrap();
        }
    }
}

fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

fn next(state: &RolloutState) -> (RolloutState, Change) {
    let generation = state.generation + 1;
    let next = RolloutState { generation, active: Some(release(generation)), ..RolloutState::default() };
    let change = state.change(&next, Action::Activate, Timestamp::now(), "me".to_owned(), None);
    (next, change)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn subject() -> Subject {
    Subject::new()
}

mod conformance {
    tidegate_release_testing::store_conformance!(crate::subject);
}

#[test]
fn files_have_the_documented_names() {
    let subject = Subject::new();
    let store = subject.store();
    subject.change(1);
    now(store.put_envelope(&release(1), b"envelope", soon())).unwrap();
    now(store.put_artifact(b"abc", soon())).unwrap();
    let halt = Halt { run: 7, release: release(1), at: Timestamp(1), host: "host".to_owned(), reason: "it".to_owned() };
    now(store.record_halt(&halt, soon())).unwrap();
    now(store.add_canary_counts(7, CanaryCounts::default(), soon())).unwrap();
    let report = LoadReport { at: Timestamp::now(), host: "host".to_owned(), failure: None };
    now(store.record_load(&release(1), &report, soon())).unwrap();
    store.record_deployed(&app()).unwrap();

    let listed = |folder: &str| names(&store.dir().join(folder));
    assert_eq!(listed("."), ["artifacts", "deployed.json", "history", "lock", "pointer.json", "releases", "status"]);
    assert_eq!(listed("history"), ["00000000000000000001.json"]);
    assert_eq!(listed("releases"), ["0000000000000001.json"]);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(listed("artifacts"), [format!("{abc}.cwasm")]);
    assert_eq!(listed("status"), ["canaries", "halts", "releases"]);
    for (folder, file) in [("canaries", "7.json"), ("halts", "7.json"), ("releases", "0000000000000001.json")] {
        assert_eq!(listed(&format!("status/{folder}")), [file]);
    }
    assert_eq!(store.rollout_state_path(), store.dir().join("pointer.json"));
    assert_eq!(store.halts_dir(), store.dir().join("status/halts"));
}

#[test]
fn storing_an_artifact_again_renews_its_age() {
    let subject = Subject::new();
    let store = subject.store();
    now(store.put_artifact(b"artifact", soon())).unwrap();
    let path = store.dir().join("artifacts").join(format!("{}.cwasm", Digest::of(b"artifact")));
    File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(5)).unwrap();
    let stored = || now(store.list_artifacts(soon())).unwrap()[&Digest::of(b"artifact")];
    assert_eq!(stored(), Timestamp(5_000));
    let before = Timestamp::now();
    now(store.put_artifact(b"artifact", soon())).unwrap();
    assert!(stored() >= Timestamp(before.millis() - 1_000), "{:?}", stored());
}

#[test]
fn unknown_files_are_not_listed() {
    let subject = Subject::new();
    let store = subject.store();
    now(store.put_envelope(&release(1), b"envelope", soon())).unwrap();
    for file in
        ["README.md", "0000000000000001.json.bak", "1.json", "ABCDEFABCDEFABCD.json", ".json", "0000000000000002"]
    {
        subject.write(&format!("releases/{file}"), "");
        subject.write(&format!("artifacts/{file}"), "");
        subject.write(&format!("status/releases/{file}"), "");
    }
    assert!(now(store.list(soon())).unwrap().keys().eq([&release(1)]));
    assert_eq!(now(store.list_artifacts(soon())), Ok(BTreeMap::new()));
    fs::remove_file(store.dir().join("status/releases/0000000000000001.json.bak")).unwrap();
    assert_eq!(now(store.load_reports(soon())), Ok(BTreeMap::new()));
}

#[test]
fn the_deployed_app_is_recorded() {
    let subject = Subject::new();
    assert_eq!(subject.store().deployed(), Ok(None));
    for name in ["chat", "chat-2"] {
        let app = tidegate_app::App { name: name.to_owned(), ..app() };
        subject.store().record_deployed(&app).unwrap();
        assert_eq!(FolderStore::open(subject.store().dir()).unwrap().deployed(), Ok(Some(app)));
    }
}

#[test]
fn old_load_reports_are_not_returned() {
    let subject = Subject::new();
    let store = subject.store();
    let days = |days: u64| Timestamp(Timestamp::now().millis() - days * 24 * 3_600_000);
    for (number, at) in [(1, days(31)), (2, days(29))] {
        let report = LoadReport { at, host: "host".to_owned(), failure: None };
        now(store.record_load(&release(number), &report, soon())).unwrap();
    }
    assert!(now(store.load_reports(soon())).unwrap().keys().eq([&release(2)]));
}
