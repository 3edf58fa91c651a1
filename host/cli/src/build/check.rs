//! `tidegate check`: validates the manifest, the imports of the components and the limits, and reports unused names.

use tidegate_app::Manifest;
use tidegate_app::rules::MAX_ARTIFACT_BYTES;
use tidegate_diagnostic::{Code, Context as _, Diagnostic};
use tidegate_release::Release;
use tidegate_runtime::{Engine, EngineOptions};

use crate::build::{Artifacts, BuiltApp};
use crate::dev::config;
use crate::ui::error::Result;
use crate::ui::terminal::out;
use crate::{args, build};

/// Builds and checks the app, and prints one line if it is valid.
///
/// # Errors
/// The app is not valid or cannot be built. The error lists every problem of the same kind.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    config::warn(&config::unused(&manifest)?);
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
    check_size(manifest, built.artifacts.values().map(Vec::len).sum())?;
    dry_run_link(&built.release).context(|| format!("no host can run the app of `{}`", manifest.file.display()))?;
    Ok(built)
}

/// Checks that the compiled components fit into a package, which Lambda unpacks.
fn check_size(manifest: &Manifest, bytes: usize) -> Result<()> {
    if bytes <= MAX_ARTIFACT_BYTES {
        return Ok(());
    }
    let what = format!("no function can have the components of `{}`", manifest.file.display());
    let why = format!("they have {bytes} bytes when they are compiled, above the limit of {MAX_ARTIFACT_BYTES}");
    Err(Diagnostic::new(Code::AppTooLarge, what, why).hint("share one component between routes, or make them smaller"))
}

/// Loads and links a release as a host does, without running anything.
///
/// # Errors
/// A host would refuse the release.
pub(crate) fn dry_run_link(release: &Release) -> Result<()> {
    Ok(tidegate_runtime::dry_run_link(&Engine::new(EngineOptions::local())?, release)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_that_lambda_cannot_unpack_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = "app = { name = 'a', route-selection-expression = 'x' }\ncomponents.c.source = 'c'\n\
                    routes.x.component = 'c'\n";
        std::fs::write(folder.path().join(Manifest::FILE), text).unwrap();
        let manifest = Manifest::load(folder.path()).unwrap();
        assert!(check_size(&manifest, MAX_ARTIFACT_BYTES).is_ok());
        assert_eq!(check_size(&manifest, MAX_ARTIFACT_BYTES + 1).unwrap_err().code, Code::AppTooLarge);
    }
}
