//! Rebuilds a running app after its files have changed, and swaps the release.

use std::collections::BTreeMap;
use std::time::Instant;

use tidegate_app::{App, Manifest, Unused};
use tidegate_diagnostic::{Code, Context as _, Diagnostic};
use tidegate_release::ReleaseId;

use crate::build;
use crate::dev::config;
use crate::dev::integration::Integration;
use crate::dev::watch::{Changes, Watch};
use crate::ui::error::{self, Result};
use crate::ui::terminal::{self, err};

/// A running app that is rebuilt when its files change.
pub(crate) struct Reload {
    /// The manifest, as it was last read.
    pub(crate) manifest: Manifest,
    /// The app that the gateway serves.
    pub(crate) app: App,
    /// The release that runs.
    pub(crate) release: ReleaseId,
    /// The integration that runs the release.
    pub(crate) integration: Integration,
    /// The current configuration values.
    pub(crate) config: BTreeMap<String, String>,
    /// The names without effect that were reported.
    pub(crate) unused: Vec<Unused>,
    /// The watch over the files of the manifest.
    pub(crate) watch: Watch,
    /// Changes that were seen by an earlier watch, which was then replaced.
    pub(crate) late: Changes,
}

impl Reload {
    /// Rebuilds the app after changes, until the future is dropped. An error is printed, and the current release
    /// continues to run.
    pub(crate) async fn run(mut self) {
        // A change whose build failed is built again together with the next change.
        let mut pending = Changes::default();
        loop {
            pending.add(self.next().await);
            match self.apply(&pending).await {
                Ok(()) => pending = Changes::default(),
                Err(error) => {
                    terminal::message(&error::to_text(&error));
                    err!("tidegate: release {} goes on", self.release);
                }
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
        self.report_unused()?;
        self.check_routing()?;
        if changes.manifest || !changes.components.is_empty() {
            self.rebuild(|name| changes.manifest || changes.components.contains(name)).await?;
        }
        if config != self.config {
            self.integration.set_config(&config)?;
            self.config = config;
            err!("tidegate: the configuration values have changed");
        }
        Ok(())
    }

    /// Reads the manifest, and starts to watch the files that it names before the build.
    fn read_manifest(&mut self) -> Result<()> {
        let manifest = Manifest::load(&self.manifest.file)?;
        let mut old = std::mem::replace(&mut self.watch, Watch::new(&manifest)?);
        self.late.add(old.rest());
        self.manifest = manifest;
        Ok(())
    }

    /// Reports the names without effect that were not reported before.
    fn report_unused(&mut self) -> Result<()> {
        let unused = config::unused(&self.manifest)?;
        let new: Vec<_> = unused.iter().filter(|unused| !self.unused.contains(unused)).cloned().collect();
        config::warn(&new);
        self.unused = unused;
        Ok(())
    }

    async fn rebuild(&mut self, is_changed: impl Fn(&str) -> bool) -> Result<()> {
        let started = Instant::now();
        let release = build::rebuild(&self.manifest, is_changed).await?;
        let id = release.id.clone();
        if id == self.release {
            return Ok(());
        }
        let what = || format!("cannot activate the release of `{}`", self.manifest.file.display());
        self.integration.activate(release).await.context(what)?;
        let seconds = started.elapsed().as_secs_f64();
        err!("tidegate: release {id} has taken the place of {} after {seconds:.1} s", self.release);
        self.release = id;
        Ok(())
    }

    /// Checks that the routing is still the one that the gateway started with. A deployed stack has the same
    /// restriction.
    fn check_routing(&self) -> Result<()> {
        let Some(difference) = self.manifest.app().routing_difference(&self.app) else { return Ok(()) };
        let what = format!("cannot reload `{}`", self.manifest.file.display());
        Err(Diagnostic::new(Code::RoutingChanged, what, format!("{difference} have changed"))
            .hint("start `tidegate dev` again"))
    }
}
