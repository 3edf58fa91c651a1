use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::mkfifoat;

use super::*;
use crate::refused::refusal;

fn refused(result: io::Result<Vec<u8>>) -> Refused {
    let error = result.unwrap_err();
    refusal(&error).unwrap_or_else(|| panic!("not a refusal: {error}")).clone()
}

#[test]
fn files_of_other_kinds_are_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    mkfifoat(CWD, path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    fs::create_dir(path("folder")).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    symlink("/dev/zero", path("device")).unwrap();
    symlink("pipe", path("link-to-pipe")).unwrap();
    for (name, kind) in [
        ("pipe", "a named pipe"),
        ("folder", "a folder"),
        ("socket", "a socket"),
        ("device", "a device"),
        ("link-to-pipe", "a named pipe"),
    ] {
        assert_eq!(refused(read(&path(name), 10, Links::Follow)), Refused::NotRegular(kind), "{name}");
    }
    for name in ["pipe", "folder", "socket"] {
        let refused = refused(read(&path(name), 10, Links::RefuseBelow(dir.path())));
        assert!(matches!(refused, Refused::NotRegular(_)), "{name}: {refused}");
    }
}

#[test]
fn sizes_are_limited_before_and_after_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read(&path, 5, Links::Follow).unwrap(), b"12345");
    assert_eq!(refused(read(&path, 4, Links::Follow)), Refused::TooLarge(4));
    // The file claims 1 TiB: nothing of that size is allocated.
    File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(refused(read(&path, 1 << 30, Links::Follow)), Refused::TooLarge(1 << 30));
    // Files of `/proc` claim to be empty.
    assert_eq!(refused(read(Path::new("/proc/self/status"), 4, Links::Follow)), Refused::TooLarge(4));
}

#[test]
fn links_below_a_folder_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    fs::create_dir_all(store.join("real")).unwrap();
    fs::write(store.join("real/file"), "inside").unwrap();
    fs::write(dir.path().join("secret"), "outside").unwrap();
    symlink("../secret", store.join("link")).unwrap();
    symlink("real", store.join("folder")).unwrap();
    symlink("store", dir.path().join("named")).unwrap();
    let links = Links::RefuseBelow(&store);
    assert_eq!(read(&store.join("real/file"), 10, links).unwrap(), b"inside");
    assert_eq!(refused(read(&store.join("link"), 10, links)), Refused::Link);
    assert_eq!(refused(read(&store.join("folder/file"), 10, links)), Refused::Link);
    assert_eq!(refused(read(&store.join("real/../../secret"), 10, links)), Refused::Outside(store.clone()));
    assert_eq!(refused(read(&dir.path().join("secret"), 10, links)), Refused::Outside(store.clone()));
    assert_eq!(read(&store.join("none"), 10, links).unwrap_err().kind(), ErrorKind::NotFound);
    // The user may name the folder by a link.
    let named = dir.path().join("named");
    assert_eq!(read(&named.join("real/file"), 10, Links::RefuseBelow(&named)).unwrap(), b"inside");
}

#[test]
fn links_of_an_app_stay_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    fs::create_dir_all(app.join("target")).unwrap();
    fs::write(app.join("target/a.wasm"), "inside").unwrap();
    fs::write(dir.path().join("secret"), "outside").unwrap();
    symlink("target/a.wasm", app.join("a.wasm")).unwrap();
    symlink("../secret", app.join("b.wasm")).unwrap();
    symlink(dir.path(), app.join("up")).unwrap();
    let links = Links::Within(&app);
    assert_eq!(read(&app.join("a.wasm"), 10, links).unwrap(), b"inside");
    for name in ["b.wasm", "up/secret", "../secret"] {
        let refused = refused(read(&app.join(name), 10, links));
        assert!(matches!(refused, Refused::Outside(_)), "{name}: {refused}");
    }
}
