//! `tidegate check`: the manifest, the components' imports against their grants, and the limits.

use anyhow::{Result, anyhow};
use tidegate_app::Manifest;
use tidegate_release::Release;
use tidegate_runtime::{Engine, EngineOptions};

use crate::ui::output::out;
use crate::{args, build};

/// Builds and checks the app, and prints a line that says so.
///
/// # Errors
/// With everything that is wrong.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    let release = checked(&manifest).await?;
    let (routes, components) = (release.app.routes.len(), release.app.components.len());
    out!("{}: ok: {routes} routes, {components} components, release {}", manifest.name(), release.id);
    Ok(())
}

/// Builds the app, and checks that a host would run it.
///
/// # Errors
/// With everything that is wrong.
pub(crate) async fn checked(manifest: &Manifest) -> Result<Release> {
    let release = build::build(manifest).await?;
    loads(&release).map_err(|error| anyhow!("{}: {error}", manifest.file.display()))?;
    Ok(release)
}

/// Loads and links a release as every host does, without running anything.
///
/// # Errors
/// With everything for which a host would refuse it.
pub(crate) fn loads(release: &Release) -> Result<(), tidegate_runtime::Error> {
    tidegate_runtime::dry_run_link(&Engine::new(EngineOptions::local())?, release)
}
