//! A running app follows its files: what changed is built, and takes the place of what runs.

use std::collections::BTreeSet;
use std::convert::Infallible;

use anyhow::{Context, Result, anyhow};
use tidegate_release::{App, Manifest, ReleaseId};

use crate::integration::Integration;
use crate::watch::{Changes, Watch};
use crate::{build, config};

/// A running app that follows its files.
pub(crate) struct Reload {
    /// What says which of its files have changed.
    pub(crate) watch: Watch,
    /// The manifest that was read last.
    pub(crate) manifest: Manifest,
    /// The app that the gateway serves.
    pub(crate) app: App,
    /// The release that runs.
    pub(crate) release: ReleaseId,
    /// Where it runs.
    pub(crate) integration: Integration,
}

impl Reload {
    /// Follows the files for as long as it is awaited. What is wrong with a change is printed, and the release that runs
    /// goes on.
    pub(crate) async fn run(mut self) {
        let Err(error) = self.follow().await;
        eprintln!("tidegate: warning: changes of the app's files are not followed: {error:#}");
    }

    async fn follow(&mut self) -> Result<Infallible> {
        // What failed is built again with what changes next.
        let mut pending = Changes::default();
        loop {
            let changes = self.watch.next().await;
            let manifest = changes.manifest;
            pending.add(changes);
            match self.apply(&pending).await {
                Ok(()) => pending = Changes::default(),
                Err(error) => eprintln!("error: {error:#}\ntidegate: release {} goes on", self.release),
            }
            if manifest {
                self.watch = Watch::new(&self.manifest)?;
            }
        }
    }

    async fn apply(&mut self, changes: &Changes) -> Result<()> {
        let all = changes.manifest;
        if changes.manifest {
            self.manifest = Manifest::load(&self.manifest.file)?;
        }
        if changes.manifest || changes.config {
            self.integration.set_config(&config::values(&self.manifest)?);
        }
        if !all && changes.components.is_empty() {
            return Ok(());
        }
        self.check_routing()?;
        let release = build::rebuild(&self.manifest, |name| all || changes.components.contains(name)).await?;
        let id = release.id.clone();
        if id == self.release {
            return Ok(());
        }
        let refused = || format!("cannot activate the release of `{}`", self.manifest.file.display());
        self.integration.activate(release).await.with_context(refused)?;
        eprintln!("tidegate: release {id} has taken the place of {}", self.release);
        self.release = id;
        Ok(())
    }

    /// The gateway has the routes that it began with, as a deployed stack has.
    fn check_routing(&self) -> Result<()> {
        let new = self.manifest.app();
        if new.routing_fingerprint() == self.app.routing_fingerprint() {
            return Ok(());
        }
        let of = |app: &App| -> BTreeSet<_> {
            app.routes.iter().map(|(key, route)| (key.clone(), route.response)).collect()
        };
        let (old, new) = (of(&self.app), of(&new));
        let routes: BTreeSet<_> = old.symmetric_difference(&new).map(|(key, _)| format!("`{key}`")).collect();
        let routes = Vec::from_iter(routes);
        let what = match routes.is_empty() {
            true => "the route selection expression or the authorizer's identity sources".to_owned(),
            false => format!("routes or their responses ({})", routes.join(", ")),
        };
        Err(anyhow!("{}: {what} have changed; hint: start `tidegate dev` again", self.manifest.file.display()))
    }
}
