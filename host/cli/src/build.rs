//! `tidegate build`: runs the manifest's build commands, compiles what changed, and writes the release's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};
use tidegate_release::manifest::Component;
use tidegate_release::{Manifest, folder};

use crate::progress::Progress;
use crate::{args, command};

/// Where an app keeps what Tidegate makes, inside the app's folder.
const STATE_DIR: &str = ".tidegate";

/// Builds the app and says where the release is.
///
/// # Errors
/// When the manifest, a build command or a component is at fault.
pub async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    let dir = build(&manifest).await?;
    println!("{}", dir.display());
    Ok(())
}

/// The folder in which an app keeps what Tidegate makes.
pub fn state_dir(manifest: &Manifest) -> PathBuf {
    manifest.dir.join(STATE_DIR)
}

/// Builds the components of `manifest` and writes the release's folder, which it returns.
///
/// # Errors
/// As [`run`].
pub async fn build(manifest: &Manifest) -> Result<PathBuf> {
    run_commands(manifest).await?;
    let artifacts = compile(manifest).await?;
    let dir = state_dir(manifest).join("release");
    folder::write(&dir, &manifest.app(), &artifacts)?;
    Ok(dir)
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
        command::run(line, &manifest.dir).await.with_context(|| {
            format!("cannot build component `{}` of `{}` with `{line}`", component.name, manifest.path.display())
        })?;
        progress.done();
    }
    Ok(())
}
