//! A component imports only the interfaces that it calls, although the world of the SDK contains all of them. A route
//! therefore needs grants only for the interfaces that it calls.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails if it cannot read its input")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload};

const CONFIG: &str = "wasi:config/store@0.2.0-rc.1";
const CONNECTIONS: &str = "tidegate:route/connections@0.1.0";
const MESSAGING: &str = "tidegate:route/messaging@0.1.0";
const STORAGE: &str = "tidegate:route/storage@0.1.0";
/// An interface without functions, which needs no grant.
const TYPES: &str = "tidegate:route/types@0.1.0";

/// The components of the chat, with the interfaces that each of them calls.
const COMPONENTS: [(&str, &[&str]); 8] = [
    ("chat_authorizer", &[CONFIG]),
    ("chat_chat", &[CONNECTIONS, MESSAGING, STORAGE]),
    ("chat_connect", &[CONFIG, CONNECTIONS, MESSAGING]),
    ("chat_default", &[]),
    ("chat_disconnect", &[CONNECTIONS, MESSAGING]),
    ("chat_echo", &[]),
    ("chat_history", &[STORAGE]),
    ("chat_rooms", &[CONNECTIONS, MESSAGING]),
];

/// The WASI packages that the standard library imports in order to panic. A guest needs no others.
const WASI: [&str; 2] = ["wasi:cli/", "wasi:io/"];

/// The limit of a component's size, in bytes. A larger one contains code that it does not need.
const MAX_BYTES: usize = 200_000;

#[test]
fn components_of_the_chat_import_only_the_interfaces_that_they_call() {
    let files = build();
    let names: Vec<&str> = files.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    assert_eq!(names, COMPONENTS.map(|(name, _)| name), "the components that are built");
    for (file, (name, expected)) in files.iter().zip(COMPONENTS) {
        let component = std::fs::read(file).unwrap();
        assert!(component.len() < MAX_BYTES, "{name} has {} bytes", component.len());
        let (wasi, capabilities): (BTreeSet<_>, BTreeSet<_>) = imports(&component)
            .into_iter()
            .filter(|import| import != TYPES)
            .partition(|import| import.starts_with("wasi:") && import != CONFIG);
        assert_eq!(capabilities.iter().map(String::as_str).collect::<Vec<_>>(), sorted(expected), "{name}");
        let unknown: Vec<_> =
            wasi.iter().filter(|import| !WASI.iter().any(|start| import.starts_with(start))).collect();
        assert!(unknown.is_empty(), "{name} imports {unknown:?}");
    }
}

/// Builds the components of the chat. Returns their paths, in the order of their names.
fn build() -> Vec<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32-wasip2", "--workspace", "--message-format", "json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/chat"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut files = BTreeSet::new();
    for message in messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let names = message["filenames"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
        files.extend(names.filter(|name| name.ends_with(".wasm")).map(PathBuf::from));
    }
    files.into_iter().collect()
}

/// Returns the imports of a component, without those of the modules in it.
fn imports(component: &[u8]) -> BTreeSet<String> {
    let mut depth = 0;
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                names.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}

fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}
