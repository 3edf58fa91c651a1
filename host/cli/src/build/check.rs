//! `tidegate check`: validates the manifest, the imports of the components and the limits.

use tidegate_app::Manifest;
use tidegate_diagnostic::Context as _;
use tidegate_release::Release;
use tidegate_runtime::{Engine, EngineOptions};

use crate::build::{Artifacts, BuiltApp};
use crate::ui::error::Result;
use crate::ui::terminal::out;
use crate::{args, build};

/// Builds and checks the app, and prints one line if it is valid.
///
/// # Errors
/// The app is not valid or cannot be built. The error lists every problem of the same kind.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    let release = checked(&manifest, Artifacts::Cached).await?.release;
    let routes = release.app.routes.len();
    let components = release.app.components.len();
    out!("{}: ok: {routes} routes, {components} components, release {}", manifest.name(), release.id);
    Ok(())
}

/// Builds the app, and checks that a host can run the release.
///
/// # Errors
/// The same as for [`run`].
pub(crate) async fn checked(manifest: &Manifest, origin: Artifacts) -> Result<BuiltApp> {
    let built = build::built_app(manifest, |_| true, origin).await?;
    dry_run_link(&built.release).context(|| format!("no host can run the app of `{}`", manifest.file.display()))?;
    Ok(built)
}

/// Loads and links a release as a host does, without running anything.
///
/// # Errors
/// A host would refuse the release.
pub(crate) fn dry_run_link(release: &Release) -> Result<()> {
    Ok(tidegate_runtime::dry_run_link(&Engine::new(EngineOptions::local())?, release)?)
}
