//! The bill of materials of a package: the host with the crates that it is linked from, and the components of the app.
//!
//! It is a CycloneDX document. Equal packages have equal bills: a bill has no time and no serial number, and everything
//! in it is sorted. The origin of a component is not known: a `.wasm` file does not list what it was linked from.
//!
//! <https://cyclonedx.org/docs/1.6/json/>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidegate_release::folder::{ARTIFACT_EXTENSION, COMPONENTS_DIR};
use tidegate_release::{Digest, Release};

use crate::build::bootstrap::Bootstrap;
use crate::build::built::Built;
use crate::build::crates::{Crate, CrateId, Crates};

/// The reference of the app in its bill.
const APP: &str = "app";
/// The reference of the host in the bill.
const HOST: &str = "bootstrap";
/// The licence of Rust's standard library.
const STD_LICENSE: &str = "MIT OR Apache-2.0";

/// The digests of the `.wasm` files, by component.
pub(crate) fn digests(components: &[Built]) -> BTreeMap<String, Digest> {
    components.iter().map(|built| (built.component.name.clone(), Digest::of(&built.bytes))).collect()
}

/// Writes the bill of a package.
pub(crate) fn write(
    release: &Release,
    components: &BTreeMap<String, Digest>,
    artifacts: &BTreeMap<String, Vec<u8>>,
    bootstrap: &Bootstrap,
) -> Vec<u8> {
    let mut parts = vec![host(bootstrap)];
    let guests: Vec<_> = components.keys().map(|name| reference(name)).collect();
    parts.extend(components.iter().map(|(name, digest)| guest(name, *digest, artifacts.get(name))));
    let mut dependencies = vec![depends(APP, [HOST.to_owned()].into_iter().chain(guests.clone()))];
    if let Some(crates) = &bootstrap.crates {
        parts.extend(crates.all.iter().map(|(id, found)| library(id, found)));
        parts.push(standard_library(crates));
        dependencies.push(depends(HOST, [crates.root.to_string(), std_reference(crates)]));
        for (id, found) in &crates.all {
            dependencies.push(depends(&id.to_string(), found.dependencies.iter().map(ToString::to_string)));
        }
    }
    // A prebuilt host is known by its digest only, like a component.
    let unknown = guests.into_iter().chain(bootstrap.crates.is_none().then(|| HOST.to_owned()));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": APP, "name": release.app.name, "version": release.id.as_str(),
            },
            "tools": {"components": [
                {"type": "application", "name": "tidegate", "version": env!("CARGO_PKG_VERSION")},
            ]},
        },
        "components": parts,
        "dependencies": dependencies,
        "compositions": [{"aggregate": "unknown", "assemblies": unknown.collect::<Vec<_>>()}],
    });
    // Every key is text and every value has a JSON form, so this cannot fail.
    serde_json::to_vec(&bill).unwrap_or_default()
}

fn host(bootstrap: &Bootstrap) -> Value {
    json!({"type": "application", "bom-ref": HOST, "name": HOST, "hashes": sha256(&bootstrap.bytes)})
}

/// Describes a component of the app with its artifact.
fn guest(name: &str, digest: Digest, artifact: Option<&Vec<u8>>) -> Value {
    let artifact = artifact.map(|bytes| {
        let path = format!("{COMPONENTS_DIR}/{name}.{ARTIFACT_EXTENSION}");
        json!({"type": "file", "name": path, "hashes": sha256(bytes)})
    });
    json!({
        "type": "application", "bom-ref": reference(name), "name": name, "hashes": hashes(&digest.to_string()),
        "components": Vec::from_iter(artifact),
    })
}

fn library(id: &CrateId, found: &Crate) -> Value {
    let mut library = Map::new();
    let mut set = |name: &str, value: Value| drop(library.insert(name.to_owned(), value));
    set("type", json!("library"));
    set("bom-ref", json!(id.to_string()));
    set("name", json!(id.name));
    set("version", json!(id.version));
    if !found.license.is_empty() {
        set("licenses", json!([{ "expression": found.license }]));
    }
    // A crate of Tidegate is in no registry.
    if let Some(checksum) = &found.checksum {
        set("purl", json!(format!("pkg:cargo/{}@{}", id.name, id.version.replace('+', "%2B"))));
        set("hashes", hashes(checksum));
    }
    Value::Object(library)
}

fn standard_library(crates: &Crates) -> Value {
    json!({
        "type": "library", "bom-ref": std_reference(crates), "name": "std", "version": crates.rust,
        "description": "Rust's standard library", "licenses": [{ "expression": STD_LICENSE }],
    })
}

fn std_reference(crates: &Crates) -> String {
    format!("std@{}", crates.rust)
}

/// Returns the reference of a component. Those of crates have no slash.
fn reference(component: &str) -> String {
    format!("{COMPONENTS_DIR}/{component}")
}

fn depends(reference: &str, on: impl IntoIterator<Item = String>) -> Value {
    json!({"ref": reference, "dependsOn": Vec::from_iter(on)})
}

fn sha256(bytes: &[u8]) -> Value {
    hashes(&Digest::of(bytes).to_string())
}

fn hashes(sha256: &str) -> Value {
    json!([{"alg": "SHA-256", "content": sha256}])
}
