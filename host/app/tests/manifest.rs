//! Manifests in files: the app of a valid one, and the error of each invalid one.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_app::grants::{Access, Scope};
use tidegate_app::{App, Error, IdentitySource, Manifest};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_event::RouteKey;

const CHAT: &str = r#"
[app]
name = "chat"
route-selection-expression = "$request.body.action"

[components.chat]
source = "target/wasm32-wasip2/release/chat.wasm"
build = "cargo build --release --target wasm32-wasip2 -p chat"
watch = ["chat/src/**"]

[components.guard]
source = "guard.wasm"

[routes.chat]
component = "chat"
response = true
grants.storage = { rooms = "read-write", users = "read" }
grants.connections = { describe = true, list = false, groups = ["lobby", "room-*"], attributes = "self" }
grants.messaging = { send = "self", broadcast = ["lobby", "room-*"], close = "self", describe = "any" }
grants.config = ["motd"]
limits = { memory = "96MiB", time = "1500ms" }

[routes."$connect"]
component = "chat"

[authorizer]
component = "guard"
identity-source = [
    "route.request.header.Authorization", "route.request.querystring.token", "stageVariables.a", "context.b",
]
grants.config = ["secret"]
limits = { time = "500ms" }

[config]
motd = "hello"

[keys.ci]
public-key = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
stages = ["dev", "prod"]

[keys.old]
public-key = "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
revoked = true
"#;

/// The smallest manifest, without its component.
const ONE_ROUTE: &str = "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[routes.a]\ncomponent = 'b'\n";

/// Creates a folder with `text` as its manifest.
fn folder(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(Manifest::FILE), text).unwrap();
    dir
}

/// Returns the error of the manifest `text`.
fn error(text: &str) -> Error {
    Manifest::load(folder(text).path()).unwrap_err()
}

/// Returns the line of a syntax error.
fn syntax_line(text: &str) -> usize {
    match error(text) {
        Error::Syntax { line, .. } => line,
        other => panic!("{other}"),
    }
}

/// Returns the valid manifest with one change.
fn chat(from: &str, to: &str) -> String {
    assert_eq!(CHAT.matches(from).count(), 1, "{from}");
    CHAT.replace(from, to)
}

/// Returns a manifest with `count` routes.
fn routes(count: usize) -> String {
    let routes = (0..count).map(|number| format!("[routes.r{number}]\ncomponent = 'c'\n"));
    format!(
        "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[components.c]\nsource = 'c.wasm'\n{}",
        routes.collect::<String>()
    )
}

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
        IdentitySource::StageVariable("a".to_owned()),
        IdentitySource::Context("b".to_owned()),
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

/// An invalid manifest with the code, the line and the key of its error, and the values that its text mentions.
type Case = (String, Code, Option<usize>, &'static str, &'static [&'static str]);

fn assert_errors(cases: Vec<Case>) {
    for (text, code, line, key, mentions) in cases {
        let error = error(&text);
        let Error::Key { line: actual_line, key: actual_key, .. } = &error else { panic!("{error}") };
        assert_eq!((error.code(), *actual_line, actual_key.as_str()), (code, line, key), "{error}");
        let report = Diagnostic::from(error).report();
        for mention in mentions {
            assert!(report.contains(mention), "{mention} is not in {report}");
        }
    }
}

#[test]
fn unknown_and_missing_keys_are_named_with_a_suggestion() {
    let removed_key = "public-key = \"MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\"";
    assert_errors(vec![
        (String::new(), Code::ManifestKeyMissing, Some(1), "app", &[]),
        (chat("name = \"chat\"\n", ""), Code::ManifestKeyMissing, Some(2), "app.name", &[]),
        (
            chat("route-selection-expression = \"$request.body.action\"", ""),
            Code::ManifestKeyMissing,
            Some(2),
            "app.route-selection-expression",
            &["`$request.body.action`"],
        ),
        (chat("[config]", "[confg]"), Code::ManifestKeyUnknown, Some(34), "confg", &["`config`?"]),
        (
            chat("[config]", "[zzz]"),
            Code::ManifestKeyUnknown,
            Some(34),
            "zzz",
            &["`app`, `components`, `routes`, `authorizer`, `config`, `keys`"],
        ),
        (
            chat("revoked = true", "revokd = true"),
            Code::ManifestKeyUnknown,
            Some(43),
            "keys.old.revokd",
            &["`revoked`?"],
        ),
        (chat(removed_key, ""), Code::ManifestKeyMissing, Some(41), "keys.old.public-key", &["`tidegate keys new`"]),
        (chat("watch = ", "wach = "), Code::ManifestKeyUnknown, Some(9), "components.chat.wach", &["`watch`?"]),
        (
            chat("source = \"guard.wasm\"", ""),
            Code::ManifestKeyMissing,
            Some(11),
            "components.guard.source",
            &["`.wasm`"],
        ),
        (
            chat("response = true", "respond = true"),
            Code::ManifestKeyUnknown,
            Some(16),
            "routes.chat.respond",
            &["`response`?"],
        ),
        (
            chat("component = \"chat\"\nresponse", "response"),
            Code::ManifestKeyMissing,
            Some(14),
            "routes.chat.component",
            &[],
        ),
        (
            chat("grants.config = [\"motd\"]", "grants.cofig = [\"motd\"]"),
            Code::ManifestKeyUnknown,
            Some(20),
            "routes.chat.grants.cofig",
            &["`config`?"],
        ),
        (
            chat("describe = true,", "descibe = true,"),
            Code::ManifestKeyUnknown,
            Some(18),
            "routes.chat.grants.connections.descibe",
            &["`describe`?"],
        ),
        (
            chat("memory = \"96MiB\"", "handles = 5"),
            Code::ManifestKeyUnknown,
            Some(21),
            "routes.chat.limits.handles",
            &["`memory`, `time`"],
        ),
        (
            chat("identity-source = [", "x = ["),
            Code::ManifestKeyUnknown,
            Some(28),
            "authorizer.x",
            &["`component`, `identity-source`, `grants`, `limits`"],
        ),
        (
            format!("{ONE_ROUTE}[authorizer]\ncomponent = 'b'\n"),
            Code::ManifestKeyMissing,
            Some(6),
            "authorizer.identity-source",
            &["`[]`"],
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_named() {
    assert_errors(vec![
        (
            chat("response = true", "response = \"yes\""),
            Code::ManifestTypeMismatch,
            Some(16),
            "routes.chat.response",
            &["boolean", "string \"yes\""],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = true"),
            Code::ManifestTypeMismatch,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["a string", "boolean `true`"],
        ),
        (
            chat("limits = { time = \"500ms\" }", "limits = true"),
            Code::ManifestTypeMismatch,
            Some(32),
            "authorizer.limits",
            &["a table", "boolean `true`"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = 64"),
            Code::ManifestTypeMismatch,
            Some(21),
            "routes.chat.limits.memory",
            &["a string", "integer `64`"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = 1979-05-27"),
            Code::ManifestTypeMismatch,
            Some(21),
            "routes.chat.limits.memory",
            &["a string", "date `1979-05-27`"],
        ),
        (
            chat("motd = \"hello\"", "motd = 5"),
            Code::ManifestTypeMismatch,
            Some(35),
            "config.motd",
            &["a string", "integer `5`"],
        ),
    ]);
}

#[test]
fn invalid_values_are_named() {
    assert_errors(vec![
        (
            chat("MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "MCow"),
            Code::PublicKeyInvalid,
            Some(42),
            "keys.old.public-key",
            &["`MCow`", "`tidegate keys new`"],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"readwrite\""),
            Code::ManifestValueUnknown,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["`readwrite`", "`read-write`?"],
        ),
        (
            chat("rooms = \"read-write\"", "rooms = \"all\""),
            Code::ManifestValueUnknown,
            Some(17),
            "routes.chat.grants.storage.rooms",
            &["`all`", "`read`, `write`, `read-write`"],
        ),
        (
            chat("send = \"self\"", "send = \"own\""),
            Code::ManifestValueUnknown,
            Some(19),
            "routes.chat.grants.messaging.send",
            &["`own`", "`self`, `any`"],
        ),
        (
            chat("broadcast = [\"lobby\", \"room-*\"]", "broadcast = [\"lobby\", \"r*m\"]"),
            Code::GroupPatternInvalid,
            Some(19),
            "routes.chat.grants.messaging.broadcast[1]",
            &["`r*m`", "1 to 256 bytes"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"96MB\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.memory",
            &["`96MB`", "KiB, MiB or GiB"],
        ),
        (
            chat("memory = \"96MiB\"", "memory = \"1GiB\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.memory",
            &["`1GiB`", "`1MiB`", "`512MiB`"],
        ),
        (
            chat("time = \"1500ms\"", "time = \"30s\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.time",
            &["`30s`", "`10ms`", "`29s`"],
        ),
        (
            chat("time = \"1500ms\"", "time = \"1m\""),
            Code::LimitInvalid,
            Some(21),
            "routes.chat.limits.time",
            &["`1m`", "ms or s"],
        ),
        (chat("[routes.\"$connect\"]", "[routes.\"\"]"), Code::RouteKeyInvalid, Some(23), "routes.\"\"", &["empty"]),
        (
            chat("\"stageVariables.a\"", "\"header.a\""),
            Code::IdentitySourceInvalid,
            Some(28),
            "authorizer.identity-source[2]",
            &["`header.a`", "`route.request.header.NAME`", "`context.NAME`"],
        ),
    ]);
}

#[test]
fn names_and_empty_values_are_checked() {
    assert_errors(vec![
        (chat("[keys.old]", "[keys.\"o.ld\"]"), Code::NameInvalid, None, "keys.\"o.ld\"", &["`o.ld`", "1 to 64"]),
        (
            chat("stages = [\"dev\", \"prod\"]", "stages = [\"dev\", \"pr/od\"]"),
            Code::StageNameInvalid,
            None,
            "keys.ci.stages",
            &["`pr/od`", "1 to 128"],
        ),
        (chat("name = \"chat\"", "name = \"my chat\""), Code::NameInvalid, None, "app.name", &["`my chat`", "1 to 64"]),
        (
            chat("[components.guard]", "[components.\"gu.ard\"]"),
            Code::NameInvalid,
            None,
            "components.\"gu.ard\"",
            &["`gu.ard`", "1 to 64"],
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"\""),
            Code::ManifestValueInvalid,
            None,
            "components.guard.source",
            &["empty", "`.wasm`"],
        ),
        (
            chat("source = \"guard.wasm\"", "source = \"guard.wasm\"\nbuild = \" \""),
            Code::ManifestValueInvalid,
            None,
            "components.guard.build",
            &["empty", "hint: remove"],
        ),
        (
            chat("rooms = \"read-write\"", "\"\" = \"read\""),
            Code::GrantNameEmpty,
            None,
            "routes.chat.grants.storage",
            &[],
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.config = [\"\"]"),
            Code::GrantNameEmpty,
            None,
            "authorizer.grants.config",
            &[],
        ),
    ]);
}

#[test]
fn rules_of_the_whole_app_are_checked() {
    assert_errors(vec![
        (
            chat("\"$request.body.action\"", "\"$request.action\""),
            Code::SelectionExpressionInvalid,
            None,
            "app.route-selection-expression",
            &["`$request.action`", "`$request.body.NAME`"],
        ),
        (
            chat("\"$request.body.action\"", "\"$request.body.a/$request.body.b\""),
            Code::SelectionExpressionInvalid,
            None,
            "app.route-selection-expression",
            &["`$request.body.a`", "`${request.body.a}`"],
        ),
        (
            chat("component = \"guard\"", "component = \"gard\""),
            Code::ComponentUndefined,
            None,
            "authorizer.component",
            &["`gard`", "`guard`?"],
        ),
        (
            chat("component = \"chat\"\nresponse", "component = \"cat\"\nresponse"),
            Code::ComponentUndefined,
            None,
            "routes.chat.component",
            &["`cat`", "`chat`?"],
        ),
        (ONE_ROUTE.to_owned(), Code::ComponentUndefined, None, "routes.a.component", &["`b`", "`[components.b]`"]),
        (
            chat("component = \"guard\"", "component = \"chat\""),
            Code::ComponentUnused,
            None,
            "components.guard",
            &["hint: "],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$conect\"]"),
            Code::RouteKeyInvalid,
            None,
            "routes.\"$conect\"",
            &["`$connect`?"],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.other]"),
            Code::AuthorizerWithoutConnect,
            None,
            "authorizer",
            &["hint: add `[routes.\"$connect\"]`"],
        ),
        (
            chat("[routes.\"$connect\"]", "[routes.\"$connect\"]\nresponse = true"),
            Code::ResponseNotAllowed,
            None,
            "routes.\"$connect\".response",
            &["`$connect`", "hint: remove"],
        ),
        (
            chat("grants.config = [\"secret\"]", "grants.storage = { rooms = \"read\" }"),
            Code::GrantNotAllowed,
            None,
            "authorizer.grants.storage",
            &["`config`", "hint: remove"],
        ),
        (
            "[app]\nname = 'a'\nroute-selection-expression = 'x'\n".to_owned(),
            Code::RoutesMissing,
            None,
            "routes",
            &["`[routes.\"$default\"]`"],
        ),
        (routes(299), Code::RoutesTooMany, None, "routes", &["301", "300", "`$connect`", "`$disconnect`"]),
    ]);
}
