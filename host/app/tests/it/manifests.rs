//! Valid manifests, and manifests that cannot be read.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tidegate_app::grants::{Access, Scope};
use tidegate_app::{App, Error, IdentitySource, Manifest};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::RouteKey;

use crate::support::{CHAT, chat, error, folder, routes, syntax_line};

#[test]
fn apps_may_have_as_many_routes_as_api_gateway_allows() {
    let lifecycle = "[routes.'$connect']\ncomponent = 'c'\n[routes.'$disconnect']\ncomponent = 'c'\n";
    for (text, count) in [(routes(298), 298), (routes(298) + lifecycle, 300)] {
        assert_eq!(Manifest::load(folder(&text).path()).unwrap().app().routes.len(), count);
    }
}

#[test]
fn valid_manifests_resolve_to_an_app() {
    let dir = folder(CHAT);
    let manifest = Manifest::load(dir.path()).unwrap();
    assert_eq!(Manifest::load(&dir.path().join(Manifest::FILE)).unwrap(), manifest);
    assert_eq!((manifest.name(), manifest.dir.as_path()), ("chat", dir.path()));
    let [chat, guard] = manifest.components.as_slice() else { panic!("{:?}", manifest.components) };
    assert_eq!(chat.name, "chat");
    assert_eq!(chat.source, dir.path().join("target/wasm32-wasip2/release/chat.wasm"));
    assert_eq!(chat.build.as_deref(), Some("cargo build --release --target wasm32-wasip2 -p chat"));
    assert_eq!(chat.watch, ["chat/src/**"]);
    assert_eq!((guard.name.as_str(), &guard.build, guard.watch.len()), ("guard", &None, 0));
    assert_eq!(manifest.config.get("motd").map(String::as_str), Some("hello"));

    assert_eq!(manifest.keys().0.keys().collect::<Vec<_>>(), ["ci", "old"]);
    assert_eq!(
        ["dev", "stage", "prod"].map(|stage| manifest.keys().0.values().all(|key| !key.stages.contains(stage))),
        [false, true, false]
    );

    let app = manifest.app();
    let route = &app.routes[&RouteKey::new("chat").unwrap()];
    assert!(route.response);
    assert_eq!(route.grants.storage["rooms"], Access::ReadWrite);
    assert_eq!(route.grants.storage["users"], Access::Read);
    let connections = route.grants.connections.as_ref().unwrap();
    assert_eq!((connections.describe, connections.list, connections.attributes), (true, false, Some(Scope::Own)));
    assert!(connections.groups.iter().any(|pattern| pattern.matches("room-7")));
    let messaging = route.grants.messaging.as_ref().unwrap();
    assert_eq!(messaging.send, Some(Scope::Own));
    assert_eq!(messaging.describe, Some(Scope::Any));
    assert_eq!((route.limits.memory, route.limits.time), (96 << 20, Duration::from_millis(1_500)));

    let connect = &app.routes[&RouteKey::new("$connect").unwrap()];
    assert!(!connect.response);
    assert_eq!(connect.grants, Default::default());
    assert_eq!(connect.limits, Default::default());
    let authorizer = app.authorizer.as_ref().unwrap();
    let sources = [
        IdentitySource::Header("Authorization".to_owned()),
        IdentitySource::QueryString("token".to_owned()),
        IdentitySource::Context("stage".to_owned()),
        IdentitySource::Context("connectedAt".to_owned()),
    ];
    assert_eq!(authorizer.identity_source, sources);
    assert_eq!((authorizer.limits.memory, authorizer.limits.time), (64 << 20, Duration::from_millis(500)));
}

#[test]
fn apps_round_trip_through_json() {
    let app = Manifest::load(folder(CHAT).path()).unwrap().app();
    let json = app.to_json();
    let again = App::from_json(Path::new("app.json"), json.as_bytes()).unwrap();
    assert_eq!(again, app);
    assert_eq!(again.to_json(), json);
}

#[test]
fn keys_are_not_part_of_the_app() {
    let app = |text: &str| Manifest::load(folder(text).path()).unwrap().app();
    assert_eq!(app(CHAT), app(&chat("stages = [\"dev\", \"prod\"]", "stages = []")));
}

#[test]
fn missing_and_unreadable_manifests_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tidegate.toml");
    for path in [dir.path(), &file] {
        let error = Manifest::load(path).unwrap_err();
        assert!(matches!(&error, Error::NotFound { path } if *path == file));
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.code, Code::ManifestNotFound);
        assert!(diagnostic.what.contains(&*file.to_string_lossy()) && diagnostic.hint.is_some());
    }
    fs::write(&file, b"\xff").unwrap();
    let error = Manifest::load(dir.path()).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == file));
    assert_eq!(error.code(), Code::FileRead);
}

#[test]
fn syntax_errors_name_the_line() {
    assert_eq!(syntax_line("[app]\nname = \"a"), 2);
    assert_eq!(syntax_line("[app]\nname = 'a'\nname = 'b'\n"), 3);
}

#[test]
fn diagnostics_have_the_same_text_as_errors() {
    for text in ["", "[app]\nname = \"a", "[app]\nname = 'a'\nnam = 'b'\n"] {
        let error = error(text);
        let text = error.to_string();
        assert_eq!(Diagnostic::from(error).to_string(), text);
    }
}
