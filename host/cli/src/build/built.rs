//! The components as they were built, held against the manifest before anything is compiled.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tidegate_app::{Component, Manifest, toml_key};
use tidegate_compile::inspect;
use tidegate_release::{Digest, ReleaseId};
use tidegate_runtime::interface::component_uses;
use tidegate_runtime::{Incompatibility, Interfaces, engine};

/// A component as it was built: its bytes and what they import and export.
#[derive(Clone)]
pub(crate) struct Built {
    /// Its part of the manifest.
    pub(crate) component: Component,
    /// The bytes of the `.wasm` file.
    pub(crate) bytes: Arc<[u8]>,
    /// What it imports and exports.
    pub(crate) interfaces: Interfaces,
}

/// Reads the components and what they import and export.
///
/// # Errors
/// When a file cannot be read or is no component.
pub(crate) fn read(manifest: &Manifest) -> Result<Vec<Built>> {
    let read = |component: &Component| {
        let place = || format!("{}: components.{}.source", manifest.file.display(), component.name);
        let source = component.source.display();
        let bytes = std::fs::read(&component.source).with_context(|| {
            let hint = match component.build {
                Some(_) => "its build command did not write this file; does `source` name what it writes?",
                None => "write the file, or state a `build` command that does",
            };
            format!("{}: cannot read the component `{source}`; hint: {hint}", place())
        })?;
        let interfaces = inspect(&bytes).map_err(|error| anyhow!("{}: `{source}` is {error}", place()))?;
        Ok(Built { component: component.clone(), bytes: bytes.into(), interfaces })
    };
    manifest.components.iter().map(read).collect()
}

/// The id of the release that the components make.
pub(crate) fn release_id(manifest: &Manifest, components: &[Built]) -> ReleaseId {
    let digests = components.iter().map(|built| (built.component.name.as_str(), Digest::of(&built.bytes)));
    ReleaseId::of(&manifest.app(), digests, &engine::id())
}

/// Holds what the components import and export against the manifest, before anything is compiled.
///
/// # Errors
/// With a line for each problem: the file, the key, and what to do.
pub(crate) fn check(manifest: &Manifest, components: &[Built]) -> Result<()> {
    let app = manifest.app();
    let mut lines = Vec::new();
    for built in components {
        let name = &built.component.name;
        if let Err(problem) = built.interfaces.check_world() {
            lines.push(line(manifest, &format!("components.{}.source", toml_key(name)), name, &problem));
            continue;
        }
        let refusals = built.interfaces.check_uses(name, &component_uses(&app, name));
        lines.extend(refusals.iter().map(|refusal| line(manifest, &refusal.place, name, &refusal.reason)));
    }
    if lines.is_empty() { Ok(()) } else { Err(anyhow!(lines.join("\n"))) }
}

fn line(manifest: &Manifest, place: &str, component: &str, problem: &Incompatibility) -> String {
    let hint = problem.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    format!("{}: {place}: component `{component}` {problem}{hint}", manifest.file.display())
}
