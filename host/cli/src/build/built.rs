//! The built components, compared with the manifest before anything is compiled.

use std::io::ErrorKind;
use std::path::Component::ParentDir;
use std::path::Path;
use std::sync::Arc;

use tidegate_app::{Component, Manifest, toml_key};
use tidegate_compile::inspect;
use tidegate_diagnostic::{Code, Context as _, Diagnostic};
use tidegate_files::Links;
use tidegate_release::{Digest, ReleaseId};
use tidegate_runtime::interface::{Refusal, component_uses};
use tidegate_runtime::{Error, Interfaces, engine};

use crate::ui::error::Result;

/// The maximum size of a component, in bytes. One with CPython and much of its library has 18 MB.
const MAX_COMPONENT_BYTES: u64 = 128 << 20;

/// A built component.
#[derive(Clone)]
pub(crate) struct Built {
    /// The entry in the manifest.
    pub(crate) component: Component,
    /// The content of the `.wasm` file.
    pub(crate) bytes: Arc<[u8]>,
    /// The imports and exports.
    pub(crate) interfaces: Interfaces,
}

/// Reads the components with their imports and exports.
///
/// # Errors
/// A file cannot be read or is not a component.
pub(crate) fn read(manifest: &Manifest) -> Result<Vec<Built>> {
    manifest.components.iter().map(|component| read_component(&manifest.dir, component)).collect()
}

fn read_component(dir: &Path, component: &Component) -> Result<Built> {
    let what = || format!("cannot read the component `{}` from `{}`", component.name, component.source.display());
    // A file in the app's folder is not a link to another file of the user. The manifest can name files elsewhere.
    let is_inside = component.source.starts_with(dir) && !component.source.components().any(|part| part == ParentDir);
    let links = if is_inside { Links::Within(dir) } else { Links::Follow };
    let bytes = tidegate_files::read(&component.source, MAX_COMPONENT_BYTES, links);
    let bytes = bytes.map_err(|error| read_error(component, what(), &error))?;
    let interfaces = inspect(&bytes).context(what)?;
    Ok(Built { component: component.clone(), bytes: bytes.into(), interfaces })
}

fn read_error(component: &Component, what: String, error: &std::io::Error) -> Diagnostic {
    if error.kind() != ErrorKind::NotFound {
        return Diagnostic::caused_by(Code::FileRead, what, error);
    }
    let key = toml_key(&component.name);
    let hint = match component.build {
        Some(_) => {
            format!("the build command did not write this file: make `components.{key}.source` the path that it writes")
        }
        None => format!("write the file, or add `components.{key}.build`, a command that writes it"),
    };
    Diagnostic::new(Code::ComponentFileMissing, what, "no such file").hint(hint)
}

/// Returns the id of the release that consists of these components.
pub(crate) fn release_id(manifest: &Manifest, components: &[Built]) -> ReleaseId {
    let digests = components.iter().map(|built| (built.component.name.as_str(), Digest::of(&built.bytes)));
    ReleaseId::of(&manifest.app(), digests, &engine::id())
}

/// Compares the imports and exports of the components with the manifest.
///
/// # Errors
/// The components do not match the manifest. The error has a line for each problem, with the place in the manifest, and
/// the code of the first problem.
pub(crate) fn check(manifest: &Manifest, components: &[Built]) -> Result<()> {
    let app = manifest.app();
    let mut refusals = Vec::new();
    for built in components {
        let name = &built.component.name;
        match built.interfaces.check_world() {
            Err(reason) => {
                let place = format!("components.{}.source", toml_key(name));
                refusals.push(Refusal { place, component: name.clone(), reason });
            }
            Ok(()) => refusals.extend(built.interfaces.check_uses(name, &component_uses(&app, name))),
        }
    }
    if refusals.is_empty() {
        return Ok(());
    }
    let what = format!("the components do not fit the manifest `{}`", manifest.file.display());
    Err(Diagnostic { what, ..Error::Refused(refusals).into() })
}
