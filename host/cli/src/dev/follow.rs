//! `tidegate dev --releases`: a run that follows the releases of a folder, as deployed hosts follow those of their stage.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_app::{App, Manifest};
use tidegate_ports::Deadline;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::{Release, TrustedKeys};
use tidegate_runtime::rollout::{self, POLL_INTERVAL};
use tidegate_runtime::{FollowOptions, Follower, Host, RolloutHooks};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::args;
use crate::release::default_dir;

/// How long it may take to read the pointer, and to load and link what it names.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the pointer is read although nothing was seen to change: not every file system tells.
const PERIOD: Duration = Duration::from_secs(2);
/// How long counts may take to be written when the run ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The releases that a run follows.
pub(crate) struct Releases {
    store: FolderStore,
    keys: TrustedKeys,
}

/// A host of this process that follows.
pub(crate) struct Following {
    follower: Arc<Follower>,
    changed: Arc<Notify>,
    /// None where the system does not watch files. It ends when this is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Releases {
    /// The releases that the arguments name; none when they name none.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn open(args: &args::Dev, manifest: &Manifest) -> Result<Option<Self>> {
        let Some(dir) = &args.releases else { return Ok(None) };
        let dir = dir.clone().unwrap_or_else(|| default_dir(manifest));
        let keys = TrustedKeys::of_stage(manifest.keys(), &args.stage);
        if keys.is_empty() {
            eprintln!(
                "tidegate: warning: the stage `{}` trusts no key, so that no release can run; hint: `tidegate keys new` \
                 makes one",
                args.stage
            );
        }
        Ok(Some(Self { store: FolderStore::open(dir)?, keys }))
    }

    /// The folder, absolute.
    pub(crate) fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Says that this app serves from here: releases must have its routing.
    ///
    /// # Errors
    /// When another app serves from here, or the file system refuses.
    pub(crate) fn record_deployed(&self, app: &App) -> Result<()> {
        let before = self.store.deployed()?;
        if let Some(other) = before.filter(|before| before.name != app.name) {
            bail!(
                "the releases in `{}` are those of the app `{}`, and this is `{}`; hint: `--releases=DIR` names another folder",
                self.dir().display(),
                other.name,
                app.name
            );
        }
        Ok(self.store.record_deployed(app)?)
    }

    /// What makes `host`, which runs the release that is `deployed`, follow.
    ///
    /// # Errors
    /// When no release is compiled for this machine.
    pub(crate) fn follower(&self, host: Arc<Host>, deployed: Release) -> Result<Arc<Follower>> {
        let profile = rollout::host_profile(self.keys.clone(), deployed.app.clone());
        let profile = profile.context("no release is compiled for this machine")?;
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let name = format!("tidegate dev on {machine}, process {}", std::process::id());
        let options = FollowOptions { profile, host: name, poll_interval: POLL_INTERVAL };
        Ok(Follower::new(host, deployed, Arc::new(self.store.clone()), options, RolloutHooks::default()))
    }

    /// Begins to watch the folder for `follower`, and makes run what is to run now.
    pub(crate) async fn follow(&self, follower: Arc<Follower>) -> Following {
        let changed = Arc::new(Notify::new());
        let watcher = self.watch(Arc::clone(&changed));
        let watcher = watcher.map_err(|error| {
            eprintln!("tidegate: warning: releases are noticed within {} s: {error:#}", PERIOD.as_secs())
        });
        let following = Following { follower, changed, _watcher: watcher.ok() };
        following.check().await;
        following
    }

    /// Only what changes which releases run is of interest: the pointer, and a halt.
    fn watch(&self, changed: Arc<Notify>) -> Result<RecommendedWatcher> {
        let pointer = self.store.rollout_state_path().file_name().map(ToOwned::to_owned);
        let halts = self.store.halts_dir();
        let (halts_name, watched) = (halts.file_name().map(ToOwned::to_owned), [self.store.dir(), &halts]);
        // By their names: some systems name the same folder by another path.
        let matters = move |path: &Path| {
            path.file_name() == pointer.as_deref()
                || path.parent().and_then(Path::file_name).is_some_and(|name| Some(name) == halts_name.as_deref())
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An event that was lost costs a period.
            let Ok(event) = event else { return };
            let changes = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
            if changes && event.paths.iter().any(|path| matters(path)) {
                changed.notify_one();
            }
        })
        .context("cannot watch files")?;
        for folder in watched {
            let watching = watcher.watch(folder, RecursiveMode::NonRecursive);
            watching.with_context(|| format!("cannot watch the folder `{}`", folder.display()))?;
        }
        Ok(watcher)
    }
}

impl Following {
    /// Follows for as long as it is awaited. Several changes while one is applied are one.
    pub(crate) async fn run(self) {
        loop {
            // Either way it is time.
            let _ = tokio::time::timeout(PERIOD, self.changed.notified()).await;
            self.check().await;
        }
    }

    async fn check(&self) {
        let follower = Arc::clone(&self.follower);
        off_the_executor(async move {
            follower.poll(Deadline::after(CHECK_TIMEOUT)).await;
            follower.flush(Deadline::after(FLUSH_TIMEOUT)).await;
        })
        .await;
    }
}

/// Writes what `follower` has counted.
pub(crate) async fn flush(follower: Arc<Follower>) {
    off_the_executor(async move { follower.flush(Deadline::after(FLUSH_TIMEOUT)).await }).await;
}

/// Runs what waits for the file system in its calls, for which no event is to wait.
async fn off_the_executor(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = Handle::current();
    // It fails only where the work panics, which the next one does not depend on.
    let _ = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
}
