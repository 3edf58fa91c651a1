//! Files of a store that another user has planted. No call waits, follows a link, or reads more than its limit.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;

type Plant = (&'static str, fn(&Path));

/// Returns the ways to replace a file by something else.
fn plants() -> [Plant; 5] {
    [
        ("a named pipe", |path| mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap()),
        ("a device", |path| symlink("/dev/zero", path).unwrap()),
        ("a link to a file", |path| symlink("/etc/hostname", path).unwrap()),
        ("a folder", |path| fs::create_dir(path).unwrap()),
        ("a large file", |path| File::create(path).unwrap().set_len(1 << 40).unwrap()),
    ]
}

fn assert_refused<T: std::fmt::Debug>(result: Result<T, StoreError>, plant: &str) {
    assert!(matches!(result, Err(StoreError::Invalid(_) | StoreError::TooLarge(_))), "{plant}: {result:?}");
}

#[test]
fn planted_files_are_refused_at_once() {
    let digest = Digest::of(b"artifact");
    for (plant, replace) in plants() {
        let subject = Subject::new();
        let store = subject.store();
        subject.change(2);
        let plant_at = |name: &str| {
            let path = store.dir().join(name);
            let _ = fs::remove_file(&path);
            replace(&path);
        };
        plant_at(&format!("artifacts/{digest}.cwasm"));
        assert_refused(now(store.artifact(&digest, MAX_BYTES, soon())), plant);
        plant_at("releases/00000000000000a1.json");
        let id: ReleaseId = "00000000000000a1".parse().unwrap();
        assert_refused(now(store.envelope(&id, soon())), plant);
        plant_at("status/halts/7.json");
        assert_refused(now(store.halt(7, soon())), plant);
        plant_at("status/canaries/7.json");
        assert_refused(now(store.canary_counts(7, soon())), plant);
        plant_at("status/releases/00000000000000a1.json");
        assert_refused(now(store.load_reports(soon())), plant);
        plant_at("history/00000000000000000002.json");
        assert_refused(subject.history(), plant);
        plant_at("deployed.json");
        assert_refused(store.deployed(), plant);
        plant_at("pointer.json");
        assert_refused(subject.state(), plant);
        // The state is read again once the file is regular.
        let pointer = store.rollout_state_path();
        let _ = fs::remove_file(&pointer).or_else(|_| fs::remove_dir(&pointer));
        assert_eq!(subject.state().unwrap().generation, 0);
    }
}

#[test]
fn planted_locks_are_refused_at_once() {
    for (plant, replace) in plants().into_iter().filter(|(plant, _)| !plant.contains("large")) {
        let subject = Subject::new();
        replace(&subject.store().dir().join("lock"));
        let result = now(subject.store().add_canary_counts(7, CanaryCounts::default(), soon()));
        assert!(result.is_err(), "{plant}");
    }
}

#[test]
fn planted_artifacts_are_replaced_by_publishing() {
    let subject = Subject::new();
    let digest = Digest::of(b"artifact");
    let path = subject.store().dir().join(format!("artifacts/{digest}.cwasm"));
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(now(subject.store().put_artifact(b"artifact", soon())), Ok(true));
    assert_eq!(now(subject.store().artifact(&digest, MAX_BYTES, soon())).as_deref(), Ok(b"artifact".as_slice()));
}

#[test]
fn artifacts_above_their_signed_size_are_not_read() {
    let subject = Subject::new();
    now(subject.store().put_artifact(b"artifact", soon())).unwrap();
    let result = now(subject.store().artifact(&Digest::of(b"artifact"), 7, soon()));
    assert!(matches!(result, Err(StoreError::TooLarge(_))), "{result:?}");
}

#[test]
fn links_in_place_of_folders_are_refused() {
    for folder in ["releases", "artifacts", "history", "status", "status/halts"] {
        let subject = Subject::new();
        let elsewhere = subject.directory.path().join("elsewhere");
        let path = subject.store().dir().join(folder);
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let opened = FolderStore::open(subject.store().dir());
        assert!(matches!(&opened, Err(StoreError::Invalid(failure)) if failure.what.contains(folder)), "{opened:?}");
        // A store that was open before follows the link neither.
        match folder {
            "artifacts" => assert_refused(now(subject.store().put_artifact(b"artifact", soon())), folder),
            "releases" => assert_refused(now(subject.store().put_envelope(&release(1), b"", soon())), folder),
            _ => {}
        }
        assert_eq!(
            fs::read_dir(&elsewhere).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count(),
            0
        );
    }
}
