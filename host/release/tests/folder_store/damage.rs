//! Missing, altered and half-written files.

use super::*;

#[test]
fn changes_left_by_a_crash_are_replaced() {
    let subject = Subject::new();
    subject.change(2);
    for left in ["{\"half\": ", "", "\0\0\0"] {
        subject.write("history/00000000000000000003.json", left);
        assert_eq!(subject.state().unwrap().generation, 2);
        assert_eq!(subject.history().unwrap().len(), 2);
    }
    subject.change(1);
    let generations: Vec<_> = subject.history().unwrap().iter().map(|change| change.generation).collect();
    assert_eq!(generations, [3, 2, 1]);
}

#[test]
fn history_is_not_overwritten_after_the_rollout_state_was_lost() {
    let subject = Subject::new();
    subject.change(3);
    fs::remove_file(subject.store().rollout_state_path()).unwrap();
    let (next, change) = next(&RolloutState::default());
    let error = now(subject.store().compare_and_set(&next, &change, soon())).unwrap_err();
    let expected = StoreFailure::new(
        format!("cannot read the rollout state from `{}`", subject.store().rollout_state_path().display()),
        "its generation is 0, but the history has later changes",
    );
    let hint =
        "restore the file from a backup; without one, move the folder `history` away and activate a release again";
    assert_eq!(error, StoreError::Invalid(expected.hint(hint)));
    fs::rename(subject.store().dir().join("history"), subject.directory.path().join("old")).unwrap();
    assert_eq!(FolderStore::open(subject.store().dir()).unwrap().dir(), subject.store().dir());
    subject.change(1);
    assert_eq!(subject.history().unwrap().len(), 1);
}

#[test]
fn changes_of_another_generation_are_refused() {
    let subject = Subject::new();
    let (next, change) = next(&RolloutState::default());
    let other = Change { generation: 7, ..change };
    assert!(matches!(now(subject.store().compare_and_set(&next, &other, soon())), Err(StoreError::Invalid(_))));
    assert_eq!(subject.state(), Ok(RolloutState::default()));
    assert!(names(&subject.store().dir().join("history")).is_empty());
}

/// Returns texts that are not valid files.
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
        Err(StoreError::Invalid(failure)) => {
            assert!(failure.what.contains(file), "{failure:?}");
            let has_hint = failure.hint.as_ref().is_some_and(|text| text.contains(hint));
            assert!(has_hint || failure.why.contains("is larger than"), "{failure:?}");
        }
        other => panic!("expected `invalid`, got {other:?}"),
    }
}

#[test]
fn errors_of_invalid_files_have_a_hint() {
    let subject = Subject::new();
    subject.change(2);
    let store = subject.store();
    let report = LoadReport { at: Timestamp::now(), host: "host".to_owned(), failure: None };
    let halt = Halt { run: 7, release: release(1), at: Timestamp(1), host: "host".to_owned(), reason: "it".to_owned() };
    for garbage in garbage() {
        let file = "status/halts/7.json";
        let hint = "remove the file";
        subject.write(file, &garbage);
        assert_invalid(now(store.halt(7, soon())), file, hint);
        assert_invalid(now(store.record_halt(&halt, soon())), file, hint);
        let file = "status/canaries/7.json";
        subject.write(file, &garbage);
        assert_invalid(now(store.canary_counts(7, soon())), file, hint);
        assert_invalid(now(store.add_canary_counts(7, CanaryCounts::default(), soon())), file, hint);
        let file = "status/releases/0000000000000001.json";
        subject.write(file, &garbage);
        assert_invalid(now(store.load_reports(soon())), file, hint);
        assert_invalid(now(store.record_load(&release(1), &report, soon())), file, hint);
        subject.write("deployed.json", &garbage);
        assert_invalid(store.deployed(), "deployed.json", "restart `tidegate dev --releases`");
        let file = "history/00000000000000000001.json";
        subject.write(file, &garbage);
        assert_invalid(subject.history(), file, "restore the file from a backup");
        assert_eq!(now(store.history(1, soon())).unwrap().len(), 1);
    }
    let (next, change) = next(&subject.state().unwrap());
    for garbage in garbage() {
        subject.write("pointer.json", &garbage);
        assert_invalid(subject.state(), "pointer.json", "restore the file from a backup");
        assert_invalid(subject.history(), "pointer.json", "restore the file from a backup");
        assert_invalid(
            now(store.compare_and_set(&next, &change, soon())),
            "pointer.json",
            "restore the file from a backup",
        );
    }
}

#[test]
fn counts_saturate() {
    let subject = Subject::new();
    let most = u64::MAX;
    let most = CanaryCounts { events: most, traps: most, timeouts: most, errors: most };
    subject.write("status/canaries/7.json", serde_json::to_vec(&most).unwrap());
    assert_eq!(now(subject.store().add_canary_counts(7, most, soon())), Ok(most));
    assert_eq!(most.failures(), u64::MAX);
}

#[test]
fn a_state_that_jumped_ahead_keeps_its_history() {
    let subject = Subject::new();
    subject.change(3);
    let path = subject.store().rollout_state_path();
    let state = fs::read_to_string(&path).unwrap();
    let jumped = state.replace("\"generation\": 3", "\"generation\": 1000000");
    assert_ne!(jumped, state);
    fs::write(&path, jumped).unwrap();
    assert_eq!(subject.history().unwrap().len(), 3);
    subject.change(1);
    let generations: Vec<_> = subject.history().unwrap().iter().map(|change| change.generation).collect();
    assert_eq!(generations, [1_000_001, 3, 2, 1]);
    // The repaired state hides the changes above it.
    fs::write(&path, state).unwrap();
    assert_eq!(subject.history().unwrap().len(), 3);
}

#[test]
fn missing_changes_are_reported() {
    let subject = Subject::new();
    subject.change(3);
    fs::remove_file(subject.store().dir().join("history/00000000000000000002.json")).unwrap();
    match subject.history() {
        Err(StoreError::Invalid(failure)) => {
            assert!(failure.what.contains("history/00000000000000000002.json"), "{failure}");
            assert_eq!(failure.why, "the file does not exist");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn altered_artifacts_are_replaced() {
    let subject = Subject::new();
    let store = subject.store();
    let digest = Digest::of(b"artifact");
    assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(true));
    for altered in [b"artifice".as_slice(), b"", b"artif"] {
        subject.write(&format!("artifacts/{digest}.cwasm"), altered);
        // Readers check the digest.
        assert_eq!(now(store.artifact(&digest, MAX_BYTES, soon())).as_deref(), Ok(altered));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(true));
        assert_eq!(now(store.artifact(&digest, MAX_BYTES, soon())).as_deref(), Ok(b"artifact".as_slice()));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(false));
    }
}

#[test]
fn old_temporary_files_are_removed() {
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
fn removed_folders_are_reported() {
    let subject = Subject::new();
    subject.change(1);
    fs::remove_dir_all(subject.store().dir()).unwrap();
    let store = subject.store();
    let gone = StoreFailure::new(format!("cannot read `{}`", store.dir().display()), "the folder was removed");
    let gone = || StoreError::Unavailable(gone.clone().hint("restart the command"));
    assert_eq!(subject.state(), Err(gone()));
    assert_eq!(now(store.envelope(&release(1), soon())), Err(gone()));
    assert_eq!(now(store.artifact(&Digest::of(b""), MAX_BYTES, soon())), Err(gone()));
    assert_eq!(now(store.list(soon())), Err(gone()));
    assert_eq!(now(store.load_reports(soon())), Err(gone()));
    assert_eq!(now(store.halt(1, soon())), Err(gone()));
    let (next, change) = next(&RolloutState::default());
    assert!(matches!(now(store.compare_and_set(&next, &change, soon())), Err(StoreError::Unavailable(_))));
    assert!(matches!(now(store.put_envelope(&release(1), b"", soon())), Err(StoreError::Unavailable(_))));
    assert!(!store.dir().exists());
}

#[test]
fn errors_name_the_folder_that_cannot_be_created() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    for dir in ["file", "file/store"] {
        match FolderStore::open(root.path().join(dir)) {
            Err(StoreError::Unavailable(failure)) => assert!(failure.what.starts_with("cannot create `"), "{failure}"),
            other => panic!("{other:?}"),
        }
    }
}
