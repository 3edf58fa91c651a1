//! Several processes that use the same folder.

use super::*;

#[test]
fn each_change_creates_another_file_for_watchers() {
    let subject = Subject::new();
    subject.change(1);
    // While the file is open, its inode number is not reused.
    let before = File::open(subject.store().rollout_state_path()).unwrap();
    subject.change(1);
    let after = fs::metadata(subject.store().rollout_state_path()).unwrap();
    assert_ne!(before.metadata().unwrap().ino(), after.ino());
}

#[test]
fn files_and_folders_are_private_unless_the_folder_is_shared_with_a_group() {
    let subject = Subject::new();
    let dir = subject.store().dir();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let artifacts = dir.join("artifacts");
    let put = |bytes: &[u8]| {
        now(subject.store().put_artifact(bytes, soon())).unwrap();
        mode(&artifacts.join(format!("{}.cwasm", Digest::of(bytes))))
    };
    subject.change(1);
    assert_eq!((mode(dir), mode(&artifacts)), (0o700, 0o700));
    assert_eq!(mode(&subject.store().rollout_state_path()), 0o600);
    assert_eq!(mode(&dir.join("lock")), 0o600);
    assert_eq!(put(b"one"), 0o600);
    fs::set_permissions(&artifacts, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(put(b"two"), 0o600);
    fs::set_permissions(&artifacts, Permissions::from_mode(0o770)).unwrap();
    // The mask of new files of this process may leave out a permission, and adds none.
    assert_eq!(put(b"three") & !0o060, 0o600);
}

#[test]
fn calls_wait_for_the_lock_until_the_deadline() {
    let subject = Subject::new();
    let store = subject.store();
    subject.change(1);
    let lock = File::open(store.dir().join("lock")).unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let result = now(store.add_canary_counts(7, CanaryCounts::default(), Deadline::after(Duration::from_millis(50))));
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let what = format!("cannot lock `{}` in time", store.dir().join("lock").display());
    let expected = StoreFailure::new(what, "another process holds the lock");
    assert_eq!(result, Err(StoreError::Unavailable(expected)));
    // Reads and writes of immutable files do not need the lock.
    assert_eq!(subject.state().unwrap().generation, 1);
    assert_eq!(now(store.canary_counts(7, soon())), Ok(CanaryCounts::default()));
    assert_eq!(now(store.put_envelope(&release(1), b"envelope", soon())), Ok(Stored::New));
    std::thread::scope(|scope| {
        let count = scope
            .spawn(|| now(store.add_canary_counts(7, CanaryCounts { events: 1, ..CanaryCounts::default() }, soon())));
        lock.unlock().unwrap();
        assert_eq!(count.join().unwrap(), Ok(CanaryCounts { events: 1, ..CanaryCounts::default() }));
    });
}

/// Makes the files of a store readable for everybody.
fn readable(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => readable(&entry.path()),
            false => fs::set_permissions(entry.path(), Permissions::from_mode(0o644)).unwrap(),
        }
    }
}

/// Runs in a thread without the permissions of root, also if the tests run as root.
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
fn read_only_folders_can_be_read() {
    let subject = Subject::new();
    let dir = subject.store().dir();
    subject.change(2);
    now(subject.store().put_envelope(&release(1), b"envelope", soon())).unwrap();
    now(subject.store().put_artifact(b"artifact", soon())).unwrap();
    fs::remove_dir_all(dir.join("status")).unwrap();
    fs::set_permissions(subject.directory.path(), Permissions::from_mode(0o755)).unwrap();
    let folders = [dir.join("releases"), dir.join("artifacts"), dir.join("history"), dir.to_owned()];
    let chmod = |mode| folders.iter().for_each(|it| fs::set_permissions(it, Permissions::from_mode(mode)).unwrap());
    fs::set_permissions(dir.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    chmod(0o555);
    readable(dir);
    as_nobody(|| {
        let store = FolderStore::open(dir).unwrap();
        assert_eq!(now(store.rollout_state(Consistency::Strong, soon())).unwrap().generation, 2);
        assert_eq!(now(store.history(10, soon())).unwrap().len(), 2);
        assert_eq!(now(store.envelope(&release(1), soon())).as_deref(), Ok(b"envelope".as_slice()));
        assert_eq!(
            now(store.artifact(&Digest::of(b"artifact"), MAX_BYTES, soon())).as_deref(),
            Ok(b"artifact".as_slice())
        );
        assert_eq!(now(store.list(soon())).map(|all| all.len()), Ok(1));
        assert_eq!(now(store.halt(1, soon())), Ok(None));
        assert_eq!(now(store.canary_counts(1, soon())), Ok(CanaryCounts::default()));
        assert_eq!(now(store.load_reports(soon())), Ok(BTreeMap::new()));
        assert_eq!(now(store.put_artifact(b"artifact", soon())), Ok(false));
        for refused in [
            now(store.put_artifact(b"other", soon())).map(|_| ()),
            now(store.put_envelope(&release(2), b"", soon())).map(|_| ()),
            now(store.add_canary_counts(1, CanaryCounts::default(), soon())).map(|_| ()),
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
