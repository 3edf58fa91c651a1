//! Manifests in temporary folders, and assertions about their errors.

use std::fs;

use tempfile::TempDir;
use tidegate_app::{Error, Manifest};
use tidegate_diagnostic::{Code, Diagnostic};

pub(crate) const CHAT: &str = r#"
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
    "route.request.header.Authorization", "route.request.querystring.token", "context.stage", "context.connectedAt",
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
pub(crate) const ONE_ROUTE: &str = "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[routes.a]\ncomponent = 'b'\n";

/// Creates a folder with `text` as its manifest.
pub(crate) fn folder(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(Manifest::FILE), text).unwrap();
    dir
}

/// Returns the error of the manifest `text`.
pub(crate) fn error(text: &str) -> Error {
    Manifest::load(folder(text).path()).unwrap_err()
}

/// Returns the line of a syntax error.
pub(crate) fn syntax_line(text: &str) -> usize {
    match error(text) {
        Error::Syntax { line, .. } => line,
        other => panic!("{other}"),
    }
}

/// Returns the valid manifest with one change.
pub(crate) fn chat(from: &str, to: &str) -> String {
    assert_eq!(CHAT.matches(from).count(), 1, "{from}");
    CHAT.replace(from, to)
}

/// Returns a manifest with `count` routes.
pub(crate) fn routes(count: usize) -> String {
    let routes = (0..count).map(|number| format!("[routes.r{number}]\ncomponent = 'c'\n"));
    format!(
        "[app]\nname = 'a'\nroute-selection-expression = 'x'\n[components.c]\nsource = 'c.wasm'\n{}",
        routes.collect::<String>()
    )
}

/// An invalid manifest with the code, the line and the key of its error, and the values that its text mentions.
pub(crate) type Case = (String, Code, Option<usize>, &'static str, &'static [&'static str]);

pub(crate) fn assert_errors(cases: Vec<Case>) {
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
