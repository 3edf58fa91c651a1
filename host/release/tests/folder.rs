//! Releases in folders.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate_app::App;
use tidegate_release::{Artifact, Digest, Error, Release, ReleaseId, folder};

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

/// Writes a release under the id that its app and its artifacts would have as components.
fn write(dir: &Path, app: &App, artifacts: &BTreeMap<String, &str>) -> Result<Release, Error> {
    let components = artifacts.iter().map(|(name, artifact)| (name.as_str(), Digest::of(artifact.as_bytes())));
    folder::write(dir, &ReleaseId::of(app, components, "engine"), app, artifacts)
}

fn path(artifact: &Artifact) -> &Path {
    let Artifact::File(path) = artifact else { panic!("{artifact:?}") };
    path
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
    let written = write(&dir, &app(), &artifacts("one", "two")).unwrap();
    let loaded = folder::load(&dir).unwrap();
    assert_eq!((&written.id, &written.app), (&loaded.id, &loaded.app));
    assert_eq!(loaded.app, app());
    for release in [&written, &loaded] {
        assert!(release.artifacts.keys().eq(["chat", "guard"]));
        assert_eq!(path(&release.artifacts["guard"]), dir.join("components/guard.cwasm"));
        assert_eq!(fs::read(path(&release.artifacts["guard"])).unwrap(), b"two");
    }
    assert_eq!(names(&dir), ["app.json", "components", "release-id"]);
    assert_eq!(names(&root.path().join("a")), ["release"]);
}

#[test]
fn a_release_is_replaced_as_a_whole_and_nothing_is_left_behind() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let first = write(&dir, &app(), &artifacts("one", "two")).unwrap();
    fs::write(dir.join("components/old.cwasm"), "old").unwrap();
    let second = write(&dir, &app(), &artifacts("one", "three")).unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(names(&dir.join("components")), ["chat.cwasm", "guard.cwasm"]);
    assert_eq!(names(root.path()), ["release"]);
}

#[test]
fn the_id_is_the_one_that_it_was_written_with() {
    let root = tempfile::tempdir().unwrap();
    let id: ReleaseId = "0123456789abcdef".parse().unwrap();
    let written = folder::write(root.path(), &id, &app(), &artifacts("one", "two"));
    // Whatever is in it: the components that an id is made from are not there.
    assert_eq!(written.unwrap().id, id);
    assert_eq!(folder::load(root.path()).unwrap().id, id);
    assert_eq!(fs::read(root.path().join("release-id")).unwrap(), b"0123456789abcdef\n");
}

#[test]
fn what_is_missing_or_extra_is_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let not_there = format!("no `{}/app.json`\nhint: `tidegate build` writes it anew", dir.display());
    assert_eq!(folder::load(&dir).unwrap_err().to_string(), not_there);

    write(&dir, &app(), &artifacts("one", "two")).unwrap();
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
    let good = write(&dir, &app(), &artifacts("one", "two")).unwrap();

    let mut some = artifacts("three", "four");
    some.remove("guard");
    let error = write(&dir, &app(), &some).unwrap_err();
    assert!(matches!(&error, Error::NotFound { path, .. } if path.ends_with("components/guard.cwasm")), "{error}");
    let mut more = artifacts("three", "four");
    more.insert("other".to_owned(), "five");
    let error = write(&dir, &app(), &more).unwrap_err();
    assert!(matches!(&error, Error::Artifact { path, .. } if path.ends_with("components/other.cwasm")), "{error}");
    let bad = App { name: String::new(), ..app() };
    assert!(matches!(write(&dir, &bad, &artifacts("a", "b")), Err(Error::App(tidegate_app::Error::Key { .. }))));

    assert_eq!(folder::load(&dir).unwrap().id, good.id);
    assert_eq!(names(root.path()), ["release"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_release_is_never_missing_or_mixed_while_it_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let ids = [
        write(&dir, &app(), &artifacts("one", "one")).unwrap().id,
        write(&dir, &app(), &artifacts("two", "two")).unwrap().id,
    ];
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..50 {
                let text = if round % 2 == 0 { "one" } else { "two" };
                write(&dir, &app(), &artifacts(text, text)).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(fs::metadata(dir.join("app.json")).is_ok());
            // Neither a mixture of both nor a file that was removed meanwhile.
            assert!(ids.contains(&folder::load(&dir).unwrap().id));
        }
    });
}
