//! `tidegate build`: runs the build commands of the manifest, compiles the components that changed, and writes the
//! release folder.
//!
//! - `built`: the built components, compared with the manifest
//! - `cache`: a cache of compiled components, by content
//! - `state`: the folder for everything that Tidegate writes for an app
//! - `shell`: build commands
//! - `check`, `package`: the commands with these names
//! - `bootstrap`: the binary of the Lambda function; `crates`: the crates that it is linked from; `sbom`: the bill of
//!   materials of a package

pub(crate) mod bootstrap;
pub(crate) mod built;
mod cache;
pub(crate) mod check;
mod crates;
pub(crate) mod package;
mod sbom;
mod shell;
pub(crate) mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tidegate_app::Manifest;
use tidegate_compile::{Compiler, Triple};
use tidegate_diagnostic::Context as _;
use tidegate_release::{Release, folder};

use crate::args;
use crate::build::built::Built;
use crate::build::cache::Cache;
use crate::ui::error::{Result, blocking};
use crate::ui::progress::Progress;
use crate::ui::terminal::out;

/// The origin of compiled components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Artifacts {
    /// The cache of this user, for a release that runs on this machine only.
    Cached,
    /// The compiler, for a release that is signed or packaged: nobody can have planted such an artifact.
    Compiled,
}

/// An app that was built for this machine.
pub(crate) struct BuiltApp {
    /// The release in the release folder.
    pub(crate) release: Release,
    /// The components, as the manifest lists them.
    pub(crate) components: Vec<Built>,
    /// The artifacts for this machine, by component.
    pub(crate) artifacts: BTreeMap<String, Vec<u8>>,
}

/// Builds the app and prints the path of the release folder.
///
/// # Errors
/// The manifest or a component is not valid, or a build command fails.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    build(&manifest).await?;
    out!("{}", release_dir(&manifest).display());
    Ok(())
}

/// Builds and checks the components, and writes the release folder.
///
/// # Errors
/// The same as for [`run`].
pub(crate) async fn build(manifest: &Manifest) -> Result<Release> {
    rebuild(manifest, |_| true).await
}

/// Builds like [`build`], but runs only the build commands of the changed components.
///
/// # Errors
/// The same as for [`run`]. In that case the earlier release folder is unchanged.
pub(crate) async fn rebuild(manifest: &Manifest, is_changed: impl Fn(&str) -> bool) -> Result<Release> {
    Ok(built_app(manifest, is_changed, Artifacts::Cached).await?.release)
}

/// Builds like [`rebuild`], with artifacts of this origin.
///
/// # Errors
/// The same as for [`rebuild`].
pub(crate) async fn built_app(
    manifest: &Manifest,
    is_changed: impl Fn(&str) -> bool,
    origin: Artifacts,
) -> Result<BuiltApp> {
    state::prepare(manifest)?;
    run_commands(manifest, is_changed).await?;
    let components = built::read(manifest)?;
    built::check(manifest, &components)?;
    let id = built::release_id(manifest, &components);
    let artifacts = compile(components.clone(), Triple::host()?, origin).await?;
    // A build command may have replaced the folder.
    state::prepare(manifest)?;
    let release = folder::write(&release_dir(manifest), &id, &manifest.app(), &artifacts)?;
    Ok(BuiltApp { release, components, artifacts })
}

/// Returns the folder that [`build`] writes the release into.
pub(crate) fn release_dir(manifest: &Manifest) -> PathBuf {
    state::path(manifest).join("release")
}

/// Runs each distinct build command of the changed components once, in the order of the components.
async fn run_commands(manifest: &Manifest, is_changed: impl Fn(&str) -> bool) -> Result<()> {
    let mut done = BTreeSet::new();
    for component in manifest.components.iter().filter(|component| is_changed(&component.name)) {
        let Some(line) = &component.build else { continue };
        if !done.insert(line) {
            continue;
        }
        let progress = Progress::start("building", line);
        shell::run(line, &manifest.dir, &progress)
            .await
            .context(|| format!("cannot build the component `{}` of `{}`", component.name, manifest.file.display()))?;
        progress.done();
    }
    Ok(())
}

/// Compiles the components for `target`.
///
/// # Errors
/// A component does not compile.
pub(crate) async fn compile(
    components: Vec<Built>,
    target: Triple,
    origin: Artifacts,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let compiler = Compiler::new(target)?;
    blocking(move || {
        let cache = match origin {
            Artifacts::Cached => Cache::open(compiler),
            Artifacts::Compiled => Cache::none(compiler),
        };
        let mut artifacts = BTreeMap::new();
        for Built { component, bytes, .. } in components {
            let artifact = cache.artifact(&component.name, &bytes).context(|| {
                format!("cannot compile the component `{}` from `{}`", component.name, component.source.display())
            })?;
            artifacts.insert(component.name, artifact);
        }
        Ok(artifacts)
    })
    .await
}
