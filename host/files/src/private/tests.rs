use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::refused::refusal;

fn refused<T: std::fmt::Debug>(result: io::Result<T>) -> Refused {
    refusal(&result.unwrap_err()).unwrap().clone()
}

#[test]
fn new_folders_and_locks_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    create_folder(&folder).unwrap();
    open_lock(&folder.join("lock")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("a")), 0o700);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("lock")), 0o600);
    check_folder(&folder).unwrap();
}

#[test]
fn folders_that_others_can_change_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    create_folder(&folder).unwrap();
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        assert_eq!(refused(check_folder(&folder)), Refused::Writable(mode));
    }
    let link = dir.path().join("link");
    symlink(&folder, &link).unwrap();
    assert_eq!(refused(check_folder(&link)), Refused::Link);
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(refused(check_folder(&dir.path().join("file"))), Refused::NotFolder("a file"));
}

#[test]
fn files_that_others_can_read_or_reach_are_not_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, "key").unwrap();
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(refused(open(&path, Links::Follow)), Refused::Readable(mode));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    open(&path, Links::Follow).unwrap();
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    assert_eq!(refused(open(&path, Links::Follow)), Refused::Shared(2));
}

#[test]
fn lock_files_are_regular() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(matches!(refused(open_lock(&path)), Refused::NotRegular(_)));
    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert_eq!(refused(open_lock(&path)), Refused::Link);
    assert!(!dir.path().join("elsewhere").exists());
}
