//! Releases in folders.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate_release::{App, Artifact, Error, Release, folder};

fn app() -> App {
    let json = r#"{
        "name": "chat", "route-selection-expression": "$request.body.action", "components": ["chat", "guard"],
        "routes": {"$connect": {"component": "guard"}, "$default": {"component": "chat"}}
    }"#;
    App::from_json(Path::new("app.json"), json.as_bytes()).unwrap()
}

fn artifacts<'a>(chat: &'a str, guard: &'a str) -> BTreeMap<String, &'a str> {
    BTreeMap::from([("chat".to_owned(), chat), ("guard".to_owned(), guard)])
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What is said of the folder, without its path.
fn problem(dir: &Path) -> String {
    folder::load(dir).unwrap_err().to_string().replace(&format!("{}/", dir.display()), "")
}

#[test]
fn what_is_written_is_loaded() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/release");
    let written = folder::write(&dir, &app(), &artifacts("one", "two")).unwrap();
    let loaded = folder::load(&dir).unwrap();
    assert_eq!((&written.id, &written.app, &written.artifacts), (&loaded.id, &loaded.app, &loaded.artifacts));
    assert_eq!(loaded.app, app());
    let Artifact::File(path) = &loaded.artifacts["guard"] else { panic!("{:?}", loaded.artifacts) };
    assert_eq!(path, &dir.join("components/guard.cwasm"));
    assert_eq!(fs::read(path).unwrap(), b"two");
    assert_eq!(names(&dir), ["app.json", "components", "release-id"]);
    assert_eq!(names(&root.path().join("a")), ["release"]);
}

#[test]
fn a_release_is_replaced_as_a_whole_and_nothing_is_left_behind() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let first = folder::write(&dir, &app(), &artifacts("one", "two")).unwrap();
    fs::write(dir.join("components/old.cwasm"), "old").unwrap();
    let second = folder::write(&dir, &app(), &artifacts("one", "three")).unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(names(&dir.join("components")), ["chat.cwasm", "guard.cwasm"]);
    assert_eq!(names(root.path()), ["release"]);
}

#[test]
fn the_id_is_the_content_s() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, app: &App, chat: &str, guard: &str| {
        folder::write(&root.path().join(name), app, &artifacts(chat, guard)).unwrap()
    };
    let first = write("a", &app(), "one", "two");
    assert_eq!(first.id.as_str().len(), 16);
    assert!(first.id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(write("b", &app(), "one", "two").id, first.id);
    assert_eq!(Release::new(app(), first.artifacts.clone()).unwrap().id, first.id);
    assert_ne!(write("c", &app(), "two", "one").id, first.id);
    assert_ne!(write("d", &app(), "onet", "wo").id, first.id);
    assert_ne!(write("e", &App { name: "other".to_owned(), ..app() }, "one", "two").id, first.id);
}

#[test]
fn the_id_is_made_as_documented() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    folder::write(&dir, &app(), &artifacts("", "")).unwrap();
    // SHA-256 over "<the text of app.json>" and twice the SHA-256 of nothing, made with Python's hashlib.
    assert_eq!(folder::load(&dir).unwrap().id.as_str(), "ef01b87f958f17e7");
}

#[test]
fn what_is_missing_or_extra_is_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let not_there = format!("no `{}/app.json`\nhint: `tidegate build` writes it anew", dir.display());
    assert_eq!(folder::load(&dir).unwrap_err().to_string(), not_there);

    folder::write(&dir, &app(), &artifacts("one", "two")).unwrap();
    fs::write(dir.join("release-id"), "../../etc/passwd").unwrap();
    assert_eq!(problem(&dir), "release-id: is no release's id\nhint: `tidegate build` writes it anew");
    fs::remove_file(dir.join("release-id")).unwrap();
    assert_eq!(problem(&dir), "no `release-id`\nhint: `tidegate build` writes it anew");
    fs::write(dir.join("components/old.cwasm"), "").unwrap();
    assert_eq!(problem(&dir), "components/old.cwasm: belongs to no component of the app\nhint: remove it");
    fs::remove_file(dir.join("components/guard.cwasm")).unwrap();
    assert_eq!(problem(&dir), "no `components/guard.cwasm`\nhint: `tidegate build` writes it anew");
    fs::remove_dir_all(dir.join("components")).unwrap();
    assert_eq!(problem(&dir), "no `components/chat.cwasm`\nhint: `tidegate build` writes it anew");
    fs::write(dir.join("app.json"), "{").unwrap();
    assert_eq!(problem(&dir), "app.json:1: EOF while parsing an object");
}

#[test]
fn a_bad_build_leaves_the_good_one() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let good = folder::write(&dir, &app(), &artifacts("one", "two")).unwrap();

    let mut some = artifacts("three", "four");
    some.remove("guard");
    let error = folder::write(&dir, &app(), &some).unwrap_err();
    assert!(matches!(&error, Error::NotFound { path, .. } if path.ends_with("components/guard.cwasm")), "{error}");
    let mut more = artifacts("three", "four");
    more.insert("other".to_owned(), "five");
    let error = folder::write(&dir, &app(), &more).unwrap_err();
    assert!(matches!(&error, Error::Artifact { path, .. } if path.ends_with("components/other.cwasm")), "{error}");
    let bad = App { name: String::new(), ..app() };
    assert!(matches!(folder::write(&dir, &bad, &artifacts("a", "b")), Err(Error::Key { .. })));

    assert_eq!(folder::load(&dir).unwrap().id, good.id);
    assert_eq!(names(root.path()), ["release"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_release_is_never_missing_or_mixed_while_it_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let ids = [
        folder::write(&dir, &app(), &artifacts("one", "one")).unwrap().id,
        folder::write(&dir, &app(), &artifacts("two", "two")).unwrap().id,
    ];
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..50 {
                let text = if round % 2 == 0 { "one" } else { "two" };
                folder::write(&dir, &app(), &artifacts(text, text)).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(fs::metadata(dir.join("app.json")).is_ok());
            // Neither a mixture of both nor a file that was removed meanwhile.
            assert!(ids.contains(&folder::load(&dir).unwrap().id));
        }
    });
}
