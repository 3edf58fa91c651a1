//! The store in a folder.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use support::{app, now, soon};
use tempfile::TempDir;
use tidegate_capability::Deadline;
use tidegate_event::Timestamp;
use tidegate_release::folder_store::FolderStore;
use tidegate_release::pointer::{Action, Change, Halt};
use tidegate_release::store::{
    Activate as _, Consistency, Publish as _, Releases as _, Report, Status as _, StoreError, Stored, Tally,
};
use tidegate_release::{Digest, Pointer, ReleaseId};

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

    fn pointer(&self) -> Result<Pointer, StoreError> {
        now(self.store.pointer(Consistency::Strong, soon()))
    }

    fn history(&self) -> Result<Vec<Change>, StoreError> {
        now(self.store.history(100, soon()))
    }

    /// Advances the pointer `times` times.
    fn advance(&self, times: u64) {
        for _ in 0..times {
            let (next, change) = next(&self.pointer().unwrap());
            now(self.store.advance(&next, &change, soon())).unwrap();
        }
    }
}

fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

fn next(pointer: &Pointer) -> (Pointer, Change) {
    let generation = pointer.generation + 1;
    let next = Pointer { generation, active: Some(release(generation)), ..Pointer::default() };
    let change = pointer.change(&next, Action::Activate, Timestamp::now(), "me".to_owned(), None);
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
    tidegate_release::store_conformance!(crate::subject);
}

#[test]
fn its_files_are_those_that_are_documented() {
    let subject = Subject::new();
    let store = subject.store();
    subject.advance(1);
    now(store.put_envelope(&release(1), b"envelope", soon())).unwrap();
    now(store.put_artifact(b"abc", soon())).unwrap();
    let halt = Halt { run: 7, release: release(1), at: Timestamp(1), host: "host".to_owned(), reason: "it".to_owned() };
    now(store.halt(&halt, soon())).unwrap();
    now(store.count(7, Tally::default(), soon())).unwrap();
    let report = Report { at: Timestamp::now(), host: "host".to_owned(), failure: None };
    now(store.report(&release(1), &report, soon())).unwrap();
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
    assert_eq!(store.pointer_path(), store.dir().join("pointer.json"));
    assert_eq!(store.halts_dir(), store.dir().join("status/halts"));
}

#[test]
fn a_watcher_sees_each_change_as_another_file() {
    let subject = Subject::new();
    subject.advance(1);
    // Held open, so that its number is not given again.
    let before = File::open(subject.store().pointer_path()).unwrap();
    subject.advance(1);
    let after = fs::metadata(subject.store().pointer_path()).unwrap();
    assert_ne!(before.metadata().unwrap().ino(), after.ino());
}

#[test]
fn files_may_be_read_by_whom_any_new_file_may() {
    let subject = Subject::new();
    subject.advance(1);
    now(subject.store().put_artifact(b"artifact", soon())).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let any = subject.directory.path().join("any");
    File::create(&any).unwrap();
    assert_eq!(mode(&subject.store().pointer_path()), mode(&any));
    let artifact = subject.store().dir().join("artifacts").join(format!("{}.cwasm", Digest::of(b"artifact")));
    assert_eq!(mode(&artifact), mode(&any));
}

#[test]
fn a_change_that_a_crash_left_is_replaced() {
    let subject = Subject::new();
    subject.advance(2);
    for left in ["{\"half\": ", "", "\0\0\0"] {
        subject.write("history/00000000000000000003.json", left);
        assert_eq!(subject.pointer().unwrap().generation, 2);
        assert_eq!(subject.history().unwrap().len(), 2);
    }
    subject.advance(1);
    let generations: Vec<_> = subject.history().unwrap().iter().map(|change| change.generation).collect();
    assert_eq!(generations, [3, 2, 1]);
}

#[test]
fn history_is_not_overwritten_after_its_pointer_was_lost() {
    let subject = Subject::new();
    subject.advance(3);
    fs::remove_file(subject.store().pointer_path()).unwrap();
    let (next, change) = next(&Pointer::default());
    let error = now(subject.store().advance(&next, &change, soon())).unwrap_err();
    let expected = format!(
        "`{}` is no pointer: it is of generation 0, and history goes on; hint: restore it from a copy; where there is \
         none, move the folder `history` away with it, and activate a release anew",
        subject.store().pointer_path().display()
    );
    assert_eq!(error, StoreError::Invalid(expected));
    fs::rename(subject.store().dir().join("history"), subject.directory.path().join("old")).unwrap();
    assert_eq!(FolderStore::open(subject.store().dir()).unwrap().dir(), subject.store().dir());
    subject.advance(1);
    assert_eq!(subject.history().unwrap().len(), 1);
}

#[test]
fn a_change_of_another_generation_is_refused() {
    let subject = Subject::new();
    let (next, change) = next(&Pointer::default());
    let other = Change { generation: 7, ..change };
    assert!(matches!(now(subject.store().advance(&next, &other, soon())), Err(StoreError::Invalid(_))));
    assert_eq!(subject.pointer(), Ok(Pointer::default()));
    assert!(names(&subject.store().dir().join("history")).is_empty());
}

/// Texts that are no document, whole or in part.
fn garbage() -> Vec<Vec<u8>> {
    let large = format!("{{\"generation\": 1{}}}", " ".repeat(2 << 20));
    ["", "{", "null", "\"x\"", "{\"generation\": 1, \"other\": 2}", "{\"generation\": -1}", "{}x", &large]
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain([vec![0xff, 0xfe], vec![0; 4_096]])
        .collect()
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, StoreError>, file: &str, hint: &str) {
    match result {
        Err(StoreError::Invalid(text)) => {
            assert!(text.contains(file) && (text.contains(hint) || text.contains("has more than")), "{text}");
        }
        other => panic!("expected `invalid`, got {other:?}"),
    }
}

#[test]
fn garbage_is_named_with_what_to_do() {
    let subject = Subject::new();
    subject.advance(2);
    let store = subject.store();
    let report = Report { at: Timestamp::now(), host: "host".to_owned(), failure: None };
    let halt = Halt { run: 7, release: release(1), at: Timestamp(1), host: "host".to_owned(), reason: "it".to_owned() };
    for garbage in garbage() {
        let (file, hint) = ("status/halts/7.json", "hint: remove it");
        subject.write(file, &garbage);
        assert_invalid(now(store.halted(7, soon())), file, hint);
        assert_invalid(now(store.halt(&halt, soon())), file, hint);
        let file = "status/canaries/7.json";
        subject.write(file, &garbage);
        assert_invalid(now(store.tally(7, soon())), file, hint);
        assert_invalid(now(store.count(7, Tally::default(), soon())), file, hint);
        let file = "status/releases/0000000000000001.json";
        subject.write(file, &garbage);
        assert_invalid(now(store.reports(soon())), file, hint);
        assert_invalid(now(store.report(&release(1), &report, soon())), file, hint);
        subject.write("deployed.json", &garbage);
        assert_invalid(store.deployed(), "deployed.json", "hint: `tidegate dev --releases` writes it anew");
        let file = "history/00000000000000000001.json";
        subject.write(file, &garbage);
        assert_invalid(subject.history(), file, "hint: restore it from a copy");
        assert_eq!(now(store.history(1, soon())).unwrap().len(), 1);
    }
    let (next, change) = next(&subject.pointer().unwrap());
    for garbage in garbage() {
        subject.write("pointer.json", &garbage);
        assert_invalid(subject.pointer(), "pointer.json", "hint: restore it from a copy");
        assert_invalid(subject.history(), "pointer.json", "hint: restore it from a copy");
        assert_invalid(now(store.advance(&next, &change, soon())), "pointer.json", "hint: restore it from a copy");
    }
}

#[test]
fn absurd_counts_stay_as_large_as_they_can_be() {
    let subject = Subject::new();
    let most = u64::MAX;
    let most = Tally { events: most, traps: most, timeouts: most, errors: most };
    subject.write("status/canaries/7.json", serde_json::to_vec(&most).unwrap());
    assert_eq!(now(subject.store().count(7, most, soon())), Ok(most));
    assert_eq!(most.failures(), u64::MAX);
}

#[test]
fn a_change_that_is_missing_is_named() {
    let subject = Subject::new();
    subject.advance(3);
    fs::remove_file(subject.store().dir().join("history/00000000000000000002.json")).unwrap();
    assert_invalid(subject.history(), "history/00000000000000000002.json", "there is no such file");
}

#[test]
fn an_altered_artifact_is_put_right() {
    let subject = Subject::new();
    let store = subject.store();
    let digest = Digest::of(b"artifact");
    assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(true));
    for altered in [b"artifice".as_slice(), b"", b"artif"] {
        subject.write(&format!("artifacts/{digest}.cwasm"), altered);
        // Whoever reads it makes its digest.
        assert_eq!(now(store.artifact(&digest, soon())).as_deref(), Ok(altered));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(true));
        assert_eq!(now(store.artifact(&digest, soon())).as_deref(), Ok(b"artifact".as_slice()));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(false));
    }
}

#[test]
fn an_artifact_that_is_put_again_is_young() {
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
fn what_is_not_the_store_s_is_not_listed() {
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
    assert_eq!(now(store.reports(soon())), Ok(BTreeMap::new()));
}

#[test]
fn what_a_killed_process_left_is_swept_once_it_is_old() {
    let subject = Subject::new();
    for file in ["releases/.tidegate-store-old", "releases/.tidegate-store-new", "releases/other"] {
        subject.write(file, "half");
        if !file.ends_with("new") {
            let file = File::open(subject.store().dir().join(file)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(2 * 3_600)).unwrap();
        }
    }
    FolderStore::open(subject.store().dir()).unwrap();
    assert_eq!(names(&subject.store().dir().join("releases")), [".tidegate-store-new", "other"]);
    assert_eq!(now(subject.store().list(soon())), Ok(BTreeMap::new()));
}

#[test]
fn what_was_deployed_is_noted() {
    let subject = Subject::new();
    assert_eq!(subject.store().deployed(), Ok(None));
    for name in ["chat", "chat-2"] {
        let app = tidegate_release::App { name: name.to_owned(), ..app() };
        subject.store().record_deployed(&app).unwrap();
        assert_eq!(FolderStore::open(subject.store().dir()).unwrap().deployed(), Ok(Some(app)));
    }
}

#[test]
fn old_reports_are_forgotten() {
    let subject = Subject::new();
    let store = subject.store();
    let days = |days: u64| Timestamp(Timestamp::now().millis() - days * 24 * 3_600_000);
    for (number, at) in [(1, days(31)), (2, days(29))] {
        let report = Report { at, host: "host".to_owned(), failure: None };
        now(store.report(&release(number), &report, soon())).unwrap();
    }
    assert!(now(store.reports(soon())).unwrap().keys().eq([&release(2)]));
}

#[test]
fn a_lock_that_another_holds_is_waited_for_until_the_deadline() {
    let subject = Subject::new();
    let store = subject.store();
    subject.advance(1);
    let lock = File::open(store.dir().join("lock")).unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let result = now(store.count(7, Tally::default(), Deadline::after(Duration::from_millis(50))));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let expected = format!("cannot lock `{}` in time: another process holds it", store.dir().join("lock").display());
    assert_eq!(result, Err(StoreError::Unavailable(expected)));
    // Who reads, or stores what is immutable, does not need it.
    assert_eq!(subject.pointer().unwrap().generation, 1);
    assert_eq!(now(store.tally(7, soon())), Ok(Tally::default()));
    assert_eq!(now(store.put_envelope(&release(1), b"envelope", soon())), Ok(Stored::New));
    std::thread::scope(|scope| {
        let count = scope.spawn(|| now(store.count(7, Tally { events: 1, ..Tally::default() }, soon())));
        lock.unlock().unwrap();
        assert_eq!(count.join().unwrap(), Ok(Tally { events: 1, ..Tally::default() }));
    });
}

#[test]
fn a_folder_that_is_gone_is_said_to_be() {
    let subject = Subject::new();
    subject.advance(1);
    fs::remove_dir_all(subject.store().dir()).unwrap();
    let store = subject.store();
    let gone = format!("cannot read `{}`: the folder is gone; hint: open it again", store.dir().display());
    let gone = || StoreError::Unavailable(gone.clone());
    assert_eq!(subject.pointer(), Err(gone()));
    assert_eq!(now(store.envelope(&release(1), soon())), Err(gone()));
    assert_eq!(now(store.artifact(&Digest::of(b""), soon())), Err(gone()));
    assert_eq!(now(store.list(soon())), Err(gone()));
    assert_eq!(now(store.reports(soon())), Err(gone()));
    assert_eq!(now(store.halted(1, soon())), Err(gone()));
    let (next, change) = next(&Pointer::default());
    assert!(matches!(now(store.advance(&next, &change, soon())), Err(StoreError::Unavailable(_))));
    assert!(matches!(now(store.put_envelope(&release(1), b"", soon())), Err(StoreError::Unavailable(_))));
    assert!(!store.dir().exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    for dir in ["file", "file/store"] {
        match FolderStore::open(root.path().join(dir)) {
            Err(StoreError::Unavailable(text)) => assert!(text.starts_with("cannot create `"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Runs in a thread that may not write what it does not own, even where the tests run as root.
#[cfg(target_os = "linux")]
fn as_nobody<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65_534;
    let become_nobody = || {
        if rustix::process::getuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        run()
    };
    std::thread::scope(|scope| scope.spawn(become_nobody).join().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_may_only_be_read_is_read() {
    let subject = Subject::new();
    let dir = subject.store().dir();
    subject.advance(2);
    now(subject.store().put_envelope(&release(1), b"envelope", soon())).unwrap();
    now(subject.store().put_artifact(b"artifact", soon())).unwrap();
    fs::remove_dir_all(dir.join("status")).unwrap();
    fs::set_permissions(subject.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let folders = [dir.join("releases"), dir.join("artifacts"), dir.join("history"), dir.to_owned()];
    let chmod = |mode| folders.iter().for_each(|it| fs::set_permissions(it, Permissions::from_mode(mode)).unwrap());
    chmod(0o555);
    as_nobody(|| {
        let store = FolderStore::open(dir).unwrap();
        assert_eq!(now(store.pointer(Consistency::Strong, soon())).unwrap().generation, 2);
        assert_eq!(now(store.history(10, soon())).unwrap().len(), 2);
        assert_eq!(now(store.envelope(&release(1), soon())).as_deref(), Ok(b"envelope".as_slice()));
        assert_eq!(now(store.artifact(&Digest::of(b"artifact"), soon())).as_deref(), Ok(b"artifact".as_slice()));
        assert_eq!(now(store.list(soon())).map(|all| all.len()), Ok(1));
        assert_eq!(now(store.halted(1, soon())), Ok(None));
        assert_eq!(now(store.tally(1, soon())), Ok(Tally::default()));
        assert_eq!(now(store.reports(soon())), Ok(BTreeMap::new()));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(false));
        for refused in [
            now(store.put_artifact(b"other", soon())).map(|_| ()),
            now(store.put_envelope(&release(2), b"", soon())).map(|_| ()),
            now(store.count(1, Tally::default(), soon())).map(|_| ()),
            now(store.remove_envelope(&release(1), soon())),
            store.record_deployed(&app()),
        ] {
            assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
        }
        let missing = FolderStore::open(dir.join("missing"));
        assert!(matches!(missing, Err(StoreError::Denied(_))), "{missing:?}");
    });
    chmod(0o755);
}
