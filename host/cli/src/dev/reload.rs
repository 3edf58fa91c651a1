//! A running app follows its files: what changed is built, and takes the place of what runs.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use tidegate_app::{App, Manifest};
use tidegate_release::ReleaseId;

use crate::build;
use crate::dev::config;
use crate::dev::integration::Integration;
use crate::dev::watch::{Changes, Watch};

/// A running app that follows its files.
pub(crate) struct Reload {
    /// The manifest that was read last.
    manifest: Manifest,
    /// The app that the gateway serves.
    app: App,
    /// The release that runs.
    release: ReleaseId,
    /// Where it runs.
    integration: Integration,
    /// The values that it runs with.
    config: BTreeMap<String, String>,
    watch: Watch,
    /// What a watch saw before another took its place.
    late: Changes,
}

impl Reload {
    /// Follows the files that `watch` watches, of an app that runs.
    pub(crate) fn new(
        watch: Watch,
        manifest: Manifest,
        (release, app): (ReleaseId, App),
        integration: Integration,
        config: BTreeMap<String, String>,
    ) -> Self {
        Self { manifest, app, release, integration, config, watch, late: Changes::default() }
    }

    /// Follows the files for as long as it is awaited. What is wrong with a change is printed, and the release that runs
    /// goes on.
    pub(crate) async fn run(mut self) {
        // What failed is built again with what changes next.
        let mut pending = Changes::default();
        loop {
            pending.add(self.next().await);
            match self.apply(&pending).await {
                Ok(()) => pending = Changes::default(),
                Err(error) => eprintln!("error: {error:#}\ntidegate: release {} goes on", self.release),
            }
        }
    }

    async fn next(&mut self) -> Changes {
        match std::mem::take(&mut self.late) {
            none if none.is_empty() => self.watch.next().await,
            late => late,
        }
    }

    async fn apply(&mut self, changes: &Changes) -> Result<()> {
        if changes.manifest {
            self.read_manifest()?;
        }
        let config = config::values(&self.manifest)?;
        self.check_routing()?;
        if changes.manifest || !changes.components.is_empty() {
            self.rebuild(|name| changes.manifest || changes.components.contains(name)).await?;
        }
        if config != self.config {
            self.integration.set_config(&config)?;
            self.config = config;
            eprintln!("tidegate: the configuration values have changed");
        }
        Ok(())
    }

    /// Reads the manifest, and watches the files of the new one before anything is built of them.
    fn read_manifest(&mut self) -> Result<()> {
        let manifest = Manifest::load(&self.manifest.file)?;
        let mut old = std::mem::replace(&mut self.watch, Watch::new(&manifest)?);
        self.late.add(old.rest());
        self.manifest = manifest;
        Ok(())
    }

    async fn rebuild(&mut self, changed: impl Fn(&str) -> bool) -> Result<()> {
        let release = build::rebuild(&self.manifest, changed).await?;
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
        let Some(what) = self.manifest.app().routing_difference(&self.app) else { return Ok(()) };
        Err(anyhow!("{}: {what} have changed; hint: start `tidegate dev` again", self.manifest.file.display()))
    }
}
