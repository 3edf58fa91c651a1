//! Tests of release folders.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate_app::App;
use tidegate_diagnostic::{Code, Diagnostic};
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

/// Writes a release with the id that its app and its artifacts would have as components.
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

/// Loads the folder and returns the code of the error and its text without the path of the folder.
fn problem(dir: &Path) -> (Code, String) {
    let diagnostic = Diagnostic::from(folder::load(dir).unwrap_err());
    (diagnostic.code, diagnostic.to_string().replace(&format!("{}/", dir.display()), ""))
}

#[test]
fn written_releases_are_loaded() {
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
fn releases_are_replaced_without_temporary_files() {
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
fn the_id_is_read_from_its_file() {
    let root = tempfile::tempdir().unwrap();
    let id: ReleaseId = "0123456789abcdef".parse().unwrap();
    let written = folder::write(root.path(), &id, &app(), &artifacts("one", "two"));
    // The id is not verified: the folder does not have the components.
    assert_eq!(written.unwrap().id, id);
    assert_eq!(folder::load(root.path()).unwrap().id, id);
    assert_eq!(fs::read(root.path().join("release-id")).unwrap(), b"0123456789abcdef\n");
}

#[test]
fn missing_and_extra_files_are_reported() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("release");
    let missing = |file: &str| (Code::FileNotFound, format!("cannot read `{file}`: the file does not exist"));
    assert_eq!(problem(&dir), missing("app.json"));
    let hint = Diagnostic::from(folder::load(&dir).unwrap_err()).hint;
    assert_eq!(hint.as_deref(), Some("run `tidegate build`, which writes the folder"));

    write(&dir, &app(), &artifacts("one", "two")).unwrap();
    fs::write(dir.join("release-id"), "../../etc/passwd").unwrap();
    let invalid = "invalid file `release-id` in the release folder: the file is not a release id";
    assert_eq!(problem(&dir), (Code::ReleaseFolderInvalid, invalid.to_owned()));
    fs::remove_file(dir.join("release-id")).unwrap();
    assert_eq!(problem(&dir), missing("release-id"));
    fs::write(dir.join("components/old.cwasm"), "").unwrap();
    let extra =
        "invalid file `components/old.cwasm` in the release folder: the file does not belong to a component of the app";
    assert_eq!(problem(&dir), (Code::ReleaseFolderInvalid, extra.to_owned()));
    fs::remove_file(dir.join("components/guard.cwasm")).unwrap();
    assert_eq!(problem(&dir), missing("components/guard.cwasm"));
    fs::remove_dir_all(dir.join("components")).unwrap();
    assert_eq!(problem(&dir), missing("components/chat.cwasm"));
    fs::write(dir.join("app.json"), "{").unwrap();
    assert_eq!(problem(&dir).0, Code::ManifestSyntax);
}

#[test]
fn failed_writes_keep_the_old_release() {
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
fn releases_are_replaced_atomically() {
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
            // The result is never a mixture, and no file is missing.
            assert!(ids.contains(&folder::load(&dir).unwrap().id));
        }
    });
}
