//! `tidegate dev --releases`: follows the releases of a folder, as deployed hosts follow the releases of their stage.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_app::{App, Manifest};
use tidegate_diagnostic::{Code, Context as _, Diagnose as _, Diagnostic};
use tidegate_ports::Deadline;
use tidegate_release::store::fs::FolderStore;
use tidegate_release::{Release, TrustedKeys};
use tidegate_runtime::rollout::{self, POLL_INTERVAL};
use tidegate_runtime::{FollowOptions, Follower, Host, RolloutHooks};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::args;
use crate::dev::watch::mount;
use crate::release::default_dir;
use crate::ui::error::Result;
use crate::ui::terminal::err;

/// The time limit for reading the rollout state, and for loading and linking the releases that it names.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval at which the rollout state is read without a change event. Not every file system sends such events.
const PERIOD: Duration = Duration::from_secs(2);
/// The time limit for writing counts at the end of the run.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The releases that a run follows.
pub(crate) struct Releases {
    store: FolderStore,
    keys: TrustedKeys,
}

/// A host of this process that follows releases. Dropping it ends the watch.
pub(crate) struct Following {
    follower: Arc<Follower>,
    changed: Arc<Notify>,
    /// `None` if the system cannot watch files.
    _watcher: Option<RecommendedWatcher>,
}

impl Releases {
    /// Opens the releases that the arguments name. Returns `None` if the arguments name none.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(crate) fn open(args: &args::Dev, manifest: &Manifest) -> Result<Option<Self>> {
        let Some(dir) = &args.releases else { return Ok(None) };
        let dir = dir.clone().unwrap_or_else(|| default_dir(manifest));
        let keys = TrustedKeys::of_stage(manifest.keys(), &args.stage);
        if keys.is_empty() {
            err!("tidegate: warning: no release can run: the stage `{}` trusts no key", args.stage);
            err!("tidegate: hint: create one with `tidegate keys new`");
        }
        let what = || format!("cannot open the releases in `{}`", dir.display());
        let store = FolderStore::open(&dir).context(what)?;
        Ok(Some(Self { store, keys }))
    }

    /// Returns the absolute path of the folder.
    pub(crate) fn dir(&self) -> &Path {
        self.store.dir()
    }

    /// Records that this app serves from the folder. Releases must have the same routing.
    ///
    /// # Errors
    /// Another app serves from the folder, or the file system fails.
    pub(crate) fn record_deployed(&self, app: &App) -> Result<()> {
        let what = || format!("cannot serve the app `{}` from the releases in `{}`", app.name, self.dir().display());
        let before = self.store.deployed().context(what)?;
        if let Some(other) = before.filter(|before| before.name != app.name) {
            let why = format!("they belong to the app `{}`", other.name);
            return Err(Diagnostic::new(Code::ReleasesOfOtherApp, what(), why)
                .hint("choose another folder with `--releases=DIR`"));
        }
        self.store.record_deployed(app).context(what)
    }

    /// Returns the follower of `host`, which runs the release `bundled`.
    ///
    /// # Errors
    /// Releases are not compiled for this machine.
    pub(crate) fn follower(&self, host: Arc<Host>, bundled: Release) -> Result<Arc<Follower>> {
        let profile = rollout::host_profile(self.keys.clone(), bundled.app.clone()).ok_or_else(|| {
            let why = "releases are not compiled for this machine";
            Diagnostic::new(Code::MachineUnsupported, "cannot follow releases", why)
        })?;
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let name = format!("tidegate dev on {machine}, process {}", std::process::id());
        let options = FollowOptions { profile, host: name, poll_interval: POLL_INTERVAL };
        Ok(Follower::new(host, bundled, Arc::new(self.store.clone()), options, RolloutHooks::default()))
    }

    /// Starts to watch the folder for `follower`, and runs the release that is active now.
    pub(crate) async fn follow(&self, follower: Arc<Follower>) -> Following {
        let changed = Arc::new(Notify::new());
        let watcher = self.watch(Arc::clone(&changed));
        let watcher = watcher.map_err(|error| {
            let seconds = PERIOD.as_secs();
            err!("tidegate: warning: the releases are read every {seconds} s instead of being watched: {error}");
        });
        if watcher.is_ok()
            && let Some(kind) = mount::silent(self.dir())
        {
            let seconds = PERIOD.as_secs();
            let dir = self.dir().display();
            err!(
                "tidegate: the releases in `{dir}` are read every {seconds} s: changes on its file system ({kind}) may \
                 not be notified"
            );
        }
        let following = Following { follower, changed, _watcher: watcher.ok() };
        following.poll().await;
        following
    }

    /// Watches the rollout state and the halts, which determine the releases that run.
    fn watch(&self, changed: Arc<Notify>) -> Result<RecommendedWatcher> {
        let state = self.store.rollout_state_path().file_name().map(ToOwned::to_owned);
        let halts = self.store.halts_dir();
        let halts_name = halts.file_name().map(ToOwned::to_owned);
        // Names are compared, because some systems report a folder under another path.
        let is_relevant = move |path: &Path| {
            path.file_name() == state.as_deref()
                || path.parent().and_then(Path::file_name).is_some_and(|name| Some(name) == halts_name.as_deref())
        };
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // A lost event delays the change by one period at most.
            let Ok(event) = event else { return };
            let changes = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
            if changes && event.paths.iter().any(|path| is_relevant(path)) {
                changed.notify_one();
            }
        })
        .diagnose(Code::WatchFailed, || "cannot watch files")?;
        for folder in [self.store.dir(), &halts] {
            let watching = watcher.watch(folder, RecursiveMode::NonRecursive);
            watching.diagnose(Code::WatchFailed, || format!("cannot watch the folder `{}`", folder.display()))?;
        }
        Ok(watcher)
    }
}

impl Following {
    /// Follows until the future is dropped. Changes that arrive during a poll are applied together.
    pub(crate) async fn run(self) {
        loop {
            // A change and the end of the period both cause a poll.
            let _ = tokio::time::timeout(PERIOD, self.changed.notified()).await;
            self.poll().await;
        }
    }

    async fn poll(&self) {
        let follower = Arc::clone(&self.follower);
        off_the_executor(async move {
            follower.poll(Deadline::after(POLL_TIMEOUT)).await;
            follower.flush(Deadline::after(FLUSH_TIMEOUT)).await;
        })
        .await;
    }
}

/// Writes the canary's event counts of `follower` to the store.
pub(crate) async fn flush(follower: Arc<Follower>) {
    off_the_executor(async move { follower.flush(Deadline::after(FLUSH_TIMEOUT)).await }).await;
}

/// Runs work that waits for the file system on a thread of Tokio's blocking pool, on which no events run.
async fn off_the_executor(work: impl Future<Output = ()> + Send + 'static) {
    let runtime = Handle::current();
    // This fails only if the work panics, and the next poll does not depend on it.
    let _ = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
}
