//! What is missing, altered or half-written.

use super::*;

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
    let (next, change) = next(&RolloutState::default());
    let error = now(subject.store().compare_and_set(&next, &change, soon())).unwrap_err();
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
    let (next, change) = next(&RolloutState::default());
    let other = Change { generation: 7, ..change };
    assert!(matches!(now(subject.store().compare_and_set(&next, &other, soon())), Err(StoreError::Invalid(_))));
    assert_eq!(subject.pointer(), Ok(RolloutState::default()));
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
    let report = LoadReport { at: Timestamp::now(), host: "host".to_owned(), failure: None };
    let halt = Halt { run: 7, release: release(1), at: Timestamp(1), host: "host".to_owned(), reason: "it".to_owned() };
    for garbage in garbage() {
        let (file, hint) = ("status/halts/7.json", "hint: remove it");
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
        assert_invalid(
            now(store.compare_and_set(&next, &change, soon())),
            "pointer.json",
            "hint: restore it from a copy",
        );
    }
}

#[test]
fn absurd_counts_stay_as_large_as_they_can_be() {
    let subject = Subject::new();
    let most = u64::MAX;
    let most = CanaryCounts { events: most, traps: most, timeouts: most, errors: most };
    subject.write("status/canaries/7.json", serde_json::to_vec(&most).unwrap());
    assert_eq!(now(subject.store().add_canary_counts(7, most, soon())), Ok(most));
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
    assert_eq!(now(store.load_reports(soon())), Err(gone()));
    assert_eq!(now(store.halt(1, soon())), Err(gone()));
    let (next, change) = next(&RolloutState::default());
    assert!(matches!(now(store.compare_and_set(&next, &change, soon())), Err(StoreError::Unavailable(_))));
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
