//! `tidegate build`: runs the manifest's build commands, compiles what changed, and writes the release's folder.
//!
//! - `built`: built components, compared with the manifest
//! - `cache`: compiled components by content
//! - `shell`: build commands
//! - `check`, `package`: the commands of these names
//! - `bootstrap`: the binary of the Lambda function

pub(crate) mod bootstrap;
pub(crate) mod built;
mod cache;
pub(crate) mod check;
pub(crate) mod package;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use tidegate_app::Manifest;
use tidegate_compile::{Compiler, Triple};
use tidegate_release::{Release, folder};

use crate::args;
use crate::build::built::Built;
use crate::build::cache::Cache;
use crate::ui::output::out;
use crate::ui::progress::Progress;

/// Where Tidegate keeps what it makes, in the app's folder.
const STATE_DIR: &str = ".tidegate";

/// Builds the app, and prints where the release is.
///
/// # Errors
/// When the manifest, a build command or a component is at fault.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    build(&manifest).await?;
    out!("{}", release_dir(&manifest).display());
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
    rebuild(manifest, |_| true).await
}

/// Builds as [`build`] does, with the build commands of the components that have `changed`.
///
/// # Errors
/// As [`run`]; the release that was written before is then still there.
pub(crate) async fn rebuild(manifest: &Manifest, changed: impl Fn(&str) -> bool) -> Result<Release> {
    run_commands(manifest, changed).await?;
    let components = built::read(manifest)?;
    built::check(manifest, &components)?;
    let id = built::release_id(manifest, &components);
    let artifacts = compile(manifest, components, Triple::host()?).await?;
    Ok(folder::write(&release_dir(manifest), &id, &manifest.app(), &artifacts)?)
}

/// The folder that [`build`] writes the release into.
pub(crate) fn release_dir(manifest: &Manifest) -> PathBuf {
    state_dir(manifest).join("release")
}

/// Runs each distinct build command of the components that have `changed` once, in the order of the components.
async fn run_commands(manifest: &Manifest, changed: impl Fn(&str) -> bool) -> Result<()> {
    let mut done = BTreeSet::new();
    for component in manifest.components.iter().filter(|component| changed(&component.name)) {
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

/// Compiles the components for `target`, those of an earlier build from the cache.
///
/// # Errors
/// When one does not compile, or the cache cannot be used.
pub(crate) async fn compile(
    manifest: &Manifest,
    components: Vec<Built>,
    target: Triple,
) -> Result<BTreeMap<String, Vec<u8>>> {
    // One folder a target, because a build removes what it did not use.
    let cache = Cache::open(state_dir(manifest).join("cache").join(target.as_str()), Compiler::new(target)?)?;
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
