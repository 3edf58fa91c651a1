//! Releases and keys for tests.

// Each test binary uses a part of this module.
#![allow(dead_code, reason = "shared by several test binaries")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

pub(crate) mod recording;

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tidegate_app::keys::Key;
use tidegate_app::{App, Keys};
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::manifest::{ArtifactRecord, Component, FORMAT, Provenance, ReleaseManifest};
use tidegate_release::{Digest, SigningKey};

pub(crate) const ENGINE: &str = "wasmtime-48.0.2/3f1c";
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";
pub(crate) const CPU: &str = "x86-64-v3";

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Returns the result of a call of a store in a folder. Such a call only waits for the file system.
pub(crate) fn now<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the call waits"),
    }
}

/// Returns an app with two components.
pub(crate) fn app() -> App {
    let json = r#"{
        "name": "chat", "route-selection-expression": "$request.body.action", "components": ["chat", "guard"],
        "routes": {"$connect": {"component": "guard"}, "$default": {"component": "chat"}}
    }"#;
    App::from_json(Path::new("app.json"), json.as_bytes()).unwrap()
}

/// Returns the artifact of a component in the version `version`.
pub(crate) fn artifact(component: &str, target: &str, version: &str) -> Vec<u8> {
    format!("{component} for {target}, {version}").into_bytes()
}

/// Returns the manifest of a release of [`app`] for two targets.
pub(crate) fn document(version: &str) -> ReleaseManifest {
    let targets = [(TARGET, CPU), ("aarch64-unknown-linux-gnu", "neoverse-n1")];
    let component = |name: &str| {
        let record = |target: &str| {
            let bytes = artifact(name, target, version);
            ArtifactRecord { digest: Digest::of(&bytes), size: bytes.len() as u64 }
        };
        let artifacts = targets.iter().map(|(target, _)| ((*target).to_owned(), record(target))).collect();
        Component { digest: Digest::of(format!("{name} {version}").as_bytes()), artifacts }
    };
    ReleaseManifest {
        format: FORMAT,
        components: app().components.iter().map(|name| (name.clone(), component(name))).collect(),
        app: app(),
        engine: ENGINE.to_owned(),
        wit: "0.1.0".to_owned(),
        targets: targets.iter().map(|(target, cpu)| ((*target).to_owned(), (*cpu).to_owned())).collect(),
        provenance: Provenance {
            created_at: Timestamp(1_800_000_000_000),
            revision: Some("7eeb0eb".to_owned()),
            tidegate: "0.1.0".to_owned(),
        },
    }
}

/// Returns the artifacts of [`document`] for both targets.
pub(crate) fn artifacts(version: &str) -> Vec<Vec<u8>> {
    let document = document(version);
    let pairs = document.components.keys().flat_map(|name| document.targets.keys().map(move |target| (name, target)));
    pairs.map(|(name, target)| artifact(name, target, version)).collect()
}

/// Returns keys that the stage `prod` trusts, by name.
pub(crate) fn trusting<const N: usize>(keys: [(&str, &SigningKey); N]) -> Keys {
    let key =
        |key: &SigningKey| Key { public_key: key.public_key(), stages: ["prod".to_owned()].into(), revoked: false };
    Keys(BTreeMap::from(keys.map(|(name, signing)| (name.to_owned(), key(signing)))))
}
