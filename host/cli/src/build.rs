//! `tidegate build`: runs the manifest's build commands, compiles what changed, and writes the release's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tidegate_compile::{Compiler, Target, inspect};
use tidegate_release::{Component, Manifest, Release, folder};
use tidegate_runtime::Interfaces;

use crate::cache::Cache;
use crate::progress::Progress;
use crate::{args, check, shell};

/// Where Tidegate keeps what it makes, in the app's folder.
const STATE_DIR: &str = ".tidegate";

/// Builds the app, and prints where the release is.
///
/// # Errors
/// When the manifest, a build command or a component is at fault.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    build(&manifest).await?;
    println!("{}", release_dir(&manifest).display());
    Ok(())
}

/// The folder in which Tidegate keeps what it makes of an app.
pub(crate) fn state_dir(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(STATE_DIR)
}

/// Builds the components of `manifest`, checks them, and writes the release.
///
/// # Errors
/// As [`run`].
pub(crate) async fn build(manifest: &Manifest) -> Result<Release> {
    run_commands(manifest).await?;
    let components = read(manifest)?;
    check::imports(manifest, &components)?;
    let artifacts = compile(manifest, components).await?;
    Ok(folder::write(&release_dir(manifest), &manifest.app(), &artifacts)?)
}

/// A component as it was built: its bytes and what they import and export.
pub(crate) struct Built {
    /// Its part of the manifest.
    pub(crate) component: Component,
    /// The bytes of the `.wasm` file.
    pub(crate) bytes: Arc<[u8]>,
    /// What it imports and exports.
    pub(crate) interfaces: Interfaces,
}

fn release_dir(manifest: &Manifest) -> PathBuf {
    state_dir(manifest).join("release")
}

/// Runs each distinct build command once, in the order of the components.
async fn run_commands(manifest: &Manifest) -> Result<()> {
    let mut done = BTreeSet::new();
    for component in &manifest.components {
        let Some(line) = &component.build else { continue };
        if !done.insert(line) {
            continue;
        }
        let progress = Progress::start("building", line);
        shell::run(line, &manifest.dir).await.with_context(|| {
            format!("{}: components.{}.build: `{line}` failed", manifest.file.display(), component.name)
        })?;
        progress.done();
    }
    Ok(())
}

/// Reads the components and what they import and export.
fn read(manifest: &Manifest) -> Result<Vec<Built>> {
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

/// Compiles the components for this machine, those of an earlier build from the cache.
async fn compile(manifest: &Manifest, components: Vec<Built>) -> Result<BTreeMap<String, Vec<u8>>> {
    let cache = Cache::open(state_dir(manifest).join("cache"), Compiler::new(Target::host()?)?)?;
    let file = manifest.file.clone();
    let work = move || {
        let mut artifacts = BTreeMap::new();
        for Built { component, bytes, .. } in components {
            let name = component.name;
            let artifact = cache.artifact(&name, &bytes).with_context(|| {
                format!("{}: components.{name}.source: `{}`", file.display(), component.source.display())
            })?;
            artifacts.insert(name, artifact);
        }
        cache.prune()?;
        Ok(artifacts)
    };
    tokio::task::spawn_blocking(work).await?
}
