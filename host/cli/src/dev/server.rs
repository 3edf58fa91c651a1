//! A running app: the gateway, its host and the database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_app::{App, Manifest, Unused};
use tidegate_diagnostic::Context as _;
use tidegate_dynamodb_embedded::{Embedded, Error};
use tidegate_gateway::{Clock, Gateway, Limits, SocketTable};
use tidegate_ports::MemoryBudget;
use tidegate_release::{Release, ReleaseId};
use tidegate_runtime::Follower;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::dev::access::Door;
use crate::dev::follow::{Following, Releases};
use crate::dev::integration::Integration;
use crate::dev::local::Local;
use crate::dev::reload::Reload;
use crate::dev::run_file::RunFile;
use crate::dev::watch::{Changes, Watch};
use crate::dev::{access, api, config, memory, on_lambda};
use crate::ui::error::Result;
use crate::ui::terminal::out;
use crate::{args, build, token};

/// The lifetime of the demonstration token.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The user of the demonstration token.
const DEMO_USER: &str = "demo";
/// The interval at which expired items are removed. Reads filter them out anyway, and DynamoDB itself may take days.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// A running app.
pub(crate) struct Server {
    name: String,
    stage: String,
    release: ReleaseId,
    /// A line that says where the routes run, if they do not run in this process.
    placement: Option<String>,
    config: BTreeMap<String, String>,
    gateway: Arc<Gateway>,
    integration: Integration,
    /// The folder of releases to follow.
    releases: Option<PathBuf>,
    /// `None` if the system cannot watch files, or releases are followed.
    reload: Option<Reload>,
    /// `Some` if releases are followed in this process.
    following: Option<Following>,
    database: Embedded,
    /// The address of the gateway.
    address: SocketAddr,
    /// Removed when the server has ended.
    _run_file: RunFile,
}

impl Server {
    /// Creates the server. With `bootstrap`, which is a program, the host runs in separate processes.
    ///
    /// # Errors
    /// The release is refused, or the configuration values cannot be read.
    pub(crate) fn new(
        args: &args::Dev,
        manifest: &Manifest,
        release: Release,
        local: Local,
        door: Door,
        bootstrap: Option<PathBuf>,
        releases: Option<&Releases>,
    ) -> Result<Self> {
        let config = config::values(manifest)?;
        let api = api::config(&release.app, &args.stage)?;
        let memory = memory::budget(args.memory_budget);
        let sockets = SocketTable::new(limits(args, &memory), Clock::system());
        let id = release.id.clone();
        let freezing = if args.freeze { ", frozen between events" } else { "" };
        let placement = bootstrap.as_ref().map(|path| format!("routes run in `{}`{freezing}", path.display()));
        let what = || format!("cannot activate the release of `{}`", manifest.file.display());
        let integration = match &bootstrap {
            Some(bootstrap) => {
                let parts = on_lambda::Parts {
                    bootstrap,
                    freeze: args.freeze,
                    app: manifest.name(),
                    stage: &args.stage,
                    release: &build::release_dir(manifest),
                    keys: manifest.keys(),
                    state_dir: &build::state::path(manifest),
                    config: &config,
                    releases: releases.map(Releases::dir),
                    database: &local.database,
                    gateway: door.address,
                    credentials: &door.function,
                };
                Integration::on_lambda(&parts, &release).context(what)?
            }
            None => {
                let ports = local.ports(Arc::clone(&sockets) as _, config.clone());
                Integration::in_process(ports, release, releases, memory).context(what)?
            }
        };
        Ok(Self {
            name: manifest.name().to_owned(),
            stage: args.stage.clone(),
            release: id,
            placement,
            config,
            gateway: Gateway::new(api, door.access, sockets, integration.invoke()),
            integration,
            releases: releases.map(|releases| releases.dir().to_owned()),
            reload: None,
            following: None,
            database: local.database,
            address: door.address,
            _run_file: door.run_file,
        })
    }

    /// Rebuilds the app after changes to its files. `unused` names were reported.
    pub(crate) fn reload_on_changes(&mut self, watch: Watch, manifest: Manifest, app: App, unused: Vec<Unused>) {
        self.reload = Some(Reload {
            manifest,
            app,
            release: self.release.clone(),
            integration: self.integration.clone(),
            config: self.config.clone(),
            unused,
            watch,
            late: Changes::default(),
        });
    }

    /// Returns the follower of releases in this process.
    pub(crate) fn follower(&self) -> Option<&Arc<Follower>> {
        self.integration.follower()
    }

    /// Follows releases while the server runs.
    pub(crate) fn follow_releases(&mut self, following: Following) {
        self.following = Some(following);
    }

    /// Prints the URLs of the app, and a command to try it.
    ///
    /// # Errors
    /// The demonstration token cannot be signed.
    pub(crate) fn announce(&self) -> Result<()> {
        let Self { name, stage, release, .. } = self;
        let address = access::reached(self.address);
        let url = format!("ws://{address}/{stage}");
        let token = token::sign(&self.config, DEMO_USER, TOKEN_LIFETIME)?;
        let header = token.map(|token| format!(" -H \"Authorization: Bearer {token}\"")).unwrap_or_default();
        match self.releases {
            Some(_) => out!("{name} is at {url}"),
            None => out!("{name} (release {release}) is at {url}"),
        }
        out!("@connections is at http://{address}/{stage}/@connections; `tidegate env` prints its keys");
        if let Some(placement) = &self.placement {
            out!("{placement}");
        }
        if let Some(releases) = &self.releases {
            out!("releases are followed in `{}`; while none is active, release {release} runs", releases.display());
        }
        out!();
        out!("Try it:");
        out!();
        out!("  npx wscat -c {url}{header}");
        out!();
        Ok(())
    }

    /// Serves until `stopped`. Then closes the sockets, waits for the events in flight, and closes the database.
    pub(crate) async fn serve(self, listener: TcpListener, stopped: oneshot::Receiver<()>) {
        let sweeper = tokio::spawn(sweep(self.database.clone()));
        let reload = self.reload.map(|reload| tokio::spawn(reload.run()));
        let following = self.following.map(|following| tokio::spawn(following.run()));
        let stopped = async {
            // A dropped sender also means that the server must stop.
            let _ = stopped.await;
        };
        tidegate_gateway::run(listener, self.gateway, stopped).await;
        // This cancels a build in progress.
        [reload, following].into_iter().flatten().for_each(|task| task.abort());
        self.integration.drain().await;
        sweeper.abort();
        self.database.close().await;
    }
}

fn limits(args: &args::Dev, memory: &MemoryBudget) -> Limits {
    // Clients cannot take the memory that guests need.
    let mut limits = Limits { memory: memory.part(memory.limit() / 2), ..Limits::default() };
    if args.throttle {
        limits.connects = Some(Limits::AWS_CONNECTS);
        limits.requests = Some(Limits::AWS_REQUESTS);
    }
    limits
}

/// Removes expired items periodically, until the database is closed.
async fn sweep(database: Embedded) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        match database.sweep().await {
            Ok(_) => {}
            Err(Error::Closed) => return,
            Err(error) => tracing::warn!("cannot remove expired items; the next attempt is in 60 s: {error}"),
        }
    }
}
