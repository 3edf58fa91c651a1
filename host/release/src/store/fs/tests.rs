use super::*;

#[test]
fn file_system_errors_are_mapped() {
    let path = Path::new("/store/pointer.json");
    let error = |code: i32| failed("write", path)(io::Error::from_raw_os_error(code));
    // ENOSPC, EDQUOT, EIO; EACCES, EROFS.
    for (code, hint) in [(28, Some("free some disk space")), (122, Some("free some disk space")), (5, None)] {
        let StoreError::Unavailable(failure) = error(code) else { panic!("{:?}", error(code)) };
        assert_eq!((failure.what.as_str(), failure.hint.as_deref()), ("cannot write `/store/pointer.json`", hint));
    }
    for code in [13, 30] {
        assert!(matches!(error(code), StoreError::Denied(_)), "{:?}", error(code));
    }
}

#[test]
fn files_are_created_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert_eq!(create(&path, b"first"), Ok(true));
    assert_eq!(create(&path, b"second"), Ok(false));
    assert_eq!(read(dir.path(), &path, 5), Ok(Some(b"first".to_vec())));
    replace(&path, b"third").unwrap();
    assert_eq!(read(dir.path(), &path, 5), Ok(Some(b"third".to_vec())));
    assert!(matches!(read(dir.path(), &path, 4), Err(StoreError::TooLarge(_))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    remove(&path).unwrap();
    remove(&path).unwrap();
    assert_eq!(read(dir.path(), &path, 5), Ok(None));
}
