use super::*;

#[test]
fn what_the_file_system_says_is_told_apart() {
    let path = Path::new("/store/pointer.json");
    let said = |code: i32| failed("write", path)(io::Error::from_raw_os_error(code));
    // ENOSPC, EDQUOT, EIO; EACCES, EROFS.
    for (code, hint) in [(28, "; hint: make room there"), (122, "; hint: make room there"), (5, "")] {
        let StoreError::Unavailable(text) = said(code) else { panic!("{:?}", said(code)) };
        assert!(text.starts_with("cannot write `/store/pointer.json`: ") && text.ends_with(hint), "{text}");
    }
    for code in [13, 30] {
        assert!(matches!(said(code), StoreError::Denied(_)), "{:?}", said(code));
    }
}

#[test]
fn a_file_is_put_only_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert_eq!(create(&path, b"first"), Ok(true));
    assert_eq!(create(&path, b"second"), Ok(false));
    assert_eq!(read(&path, 5), Ok(Some(b"first".to_vec())));
    replace(&path, b"third").unwrap();
    assert_eq!(read(&path, 5), Ok(Some(b"third".to_vec())));
    assert_eq!(read(&path, 4), Err(StoreError::Invalid(format!("`{}` has more than 4 bytes", path.display()))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    remove(&path).unwrap();
    remove(&path).unwrap();
    assert_eq!(read(&path, 5), Ok(None));
}
