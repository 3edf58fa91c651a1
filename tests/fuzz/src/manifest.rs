//! The manifest of an app, and the app in a package.

use std::cell::OnceCell;
use std::path::Path;

use tempfile::TempDir;
use tidegate_app::{App, Manifest};
use tidegate_diagnostic::Diagnostic;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// The input is a `tidegate.toml`, or an `app.json` if it begins like an object.
///
/// An error has a report. An app that is read has one text, which is read as the same app.
pub fn manifest(data: &[u8]) {
    let app = match data.trim_ascii_start().first() {
        Some(b'{') => App::from_json(Path::new("app.json"), data),
        _ => load(data).map(|manifest| manifest.app()),
    };
    match app {
        Ok(app) => {
            let json = app.to_json();
            let again = App::from_json(Path::new("app.json"), json.as_bytes()).expect("an app can be read again");
            assert_eq!(again, app);
            assert_eq!(again.to_json(), json);
            assert_eq!(again.routing_fingerprint(), app.routing_fingerprint());
            assert!(app.used().is_subset(&app.components), "every component of a route is listed");
        }
        Err(error) => assert!(!Diagnostic::from(error).report().is_empty()),
    }
}

fn load(data: &[u8]) -> Result<Manifest, tidegate_app::Error> {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join(Manifest::FILE), data).unwrap();
        Manifest::load(folder.path())
    })
}
