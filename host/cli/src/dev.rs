//! `tidegate dev`: the gateway, the host and DynamoDB in one process, or the host in processes of its own.
//!
//! - `api`: the gateway's configuration of an app
//! - `local`: the ports of one machine, over DynamoDB in process
//! - `config`: the configuration values of a development run
//! - `integration`: the function that the gateway invokes: `in_process` or `on_lambda`
//! - `package_copy`: the release of one run of `--lambda`; `child`: a program that ends with this one
//! - `watch`: changes of the app's files; `reload`: rebuilds after them
//! - `follow`: follows a folder of releases
//! - `shutdown`: the signals that end the process

pub(crate) mod api;
pub(crate) mod child;
pub(crate) mod config;
mod follow;
mod in_process;
mod integration;
pub(crate) mod local;
mod on_lambda;
mod package_copy;
mod reload;
pub(crate) mod shutdown;
mod watch;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, getrlimit, setrlimit};
use tidegate_app::{App, Manifest};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_gateway::{Clock, Connections, Gateway, Limits};
use tidegate_release::{Release, ReleaseId};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::dev::follow::{Following, Releases};
use crate::dev::integration::Integration;
use crate::dev::local::{Data, Local};
use crate::dev::reload::Reload;
use crate::dev::shutdown::Shutdown;
use crate::dev::watch::Watch;
use crate::ui::output::out;
use crate::{args, build, token};

/// How long the demonstration token is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The demonstration token's user.
const DEMO_USER: &str = "demo";
/// How often expired items are removed. Reads filter them anyway; DynamoDB itself takes up to days.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// Builds the app and serves it until a signal; then closes every socket and lets what is under way end.
///
/// # Errors
/// When the app is at fault, the port is in use, or the data folder is locked.
pub(crate) async fn run(args: &args::Dev, mut shutdown: Shutdown) -> Result<ExitCode> {
    let (server, listener) = tokio::select! {
        started = start(args) => started?,
        code = shutdown.exit_code() => return Ok(code),
    };
    let (stop, stopped) = oneshot::channel();
    let mut serving = pin!(server.serve(listener, stopped));
    tokio::select! {
        () = &mut serving => return Ok(ExitCode::SUCCESS),
        _ = shutdown.exit_code() => {}
    }
    eprintln!("tidegate: closing the sockets; a second signal ends at once");
    // It fails only when serving has ended, which is what it asks for.
    let _ = stop.send(());
    tokio::select! {
        () = serving => Ok(ExitCode::SUCCESS),
        code = shutdown.exit_code() => Ok(code),
    }
}

async fn start(args: &args::Dev) -> Result<(Server, TcpListener)> {
    let manifest = Manifest::load(&args.app.dir)?;
    let address = SocketAddr::new(args.host, args.port);
    // Before the build, so that a port or a data folder in use is said at once.
    let listener = TcpListener::bind(address).await.map_err(|error| refused(address, error))?;
    if !args.host.is_loopback() {
        eprintln!(
            "tidegate: warning: whoever reaches `{address}` can use @connections, whose signatures are not verified"
        );
    }
    raise_descriptor_limit();
    let bootstrap = if args.lambda { Some(on_lambda::bootstrap(args)?) } else { None };
    let local = Local::open(&data(args, &manifest)).await?;
    let releases = Releases::open(args, &manifest)?;
    // Before the build, so that no change is missed.
    let watch = if releases.is_none() { Some(Watch::new(&manifest)) } else { None };
    let release = build::build(&manifest).await?;
    local.forget_connections().await?;
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let app = release.app.clone();
    let bootstrap = bootstrap.map(|bootstrap| (bootstrap, address));
    let mut server = Server::new(args, &manifest, release, local, bootstrap, releases.as_ref())?;
    match watch {
        Some(Ok(watch)) => server.reload = Some(server.reloading(watch, manifest, app.clone())),
        Some(Err(error)) => eprintln!("tidegate: warning: changes of the app's files are not followed: {error:#}"),
        None => {}
    }
    if let Some(releases) = &releases {
        // It serves from there now: what is activated is held against it.
        releases.record_deployed(&app)?;
        server.following = match server.integration.follower() {
            Some(follower) => Some(releases.follow(Arc::clone(follower)).await),
            None => None,
        };
    }
    server.announce(address)?;
    Ok((server, listener))
}

fn refused(address: SocketAddr, error: std::io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "; hint: choose another port with `--port`, 0 takes a free one",
        _ => "",
    };
    anyhow!("cannot listen on `{address}`: {error}{hint}")
}

/// Every socket is a descriptor, and the usual soft limit of 1,024 is for programs that still use `select`.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("cannot raise the limit of open files: {error}");
    }
}

fn data(args: &args::Dev, manifest: &Manifest) -> Data {
    match (&args.data, args.memory) {
        (Some(dir), _) => Data::Folder(dir.clone()),
        (None, true) => Data::Memory,
        (None, false) => Data::Folder(build::state_dir(manifest).join("data")),
    }
}

fn limits(args: &args::Dev) -> Limits {
    let mut limits = Limits::default();
    if args.throttle {
        limits.connects = Some(Limits::AWS_CONNECTS);
        limits.requests = Some(Limits::AWS_REQUESTS);
    }
    limits
}

/// The gateway over the host, over the database.
struct Server {
    name: String,
    stage: String,
    release: ReleaseId,
    /// How the routes run, when it is not in this process.
    runs: Option<String>,
    config: BTreeMap<String, String>,
    gateway: Arc<Gateway>,
    integration: Integration,
    /// The folder of the releases that are followed.
    releases: Option<PathBuf>,
    /// None where the system does not watch files, and where releases are followed.
    reload: Option<Reload>,
    /// What follows releases in this process.
    following: Option<Following>,
    database: Embedded,
}

impl Server {
    /// With a bootstrap, and where it reaches the gateway, the host runs there.
    fn new(
        args: &args::Dev,
        manifest: &Manifest,
        release: Release,
        local: Local,
        bootstrap: Option<(PathBuf, SocketAddr)>,
        releases: Option<&Releases>,
    ) -> Result<Self> {
        let config = config::values(manifest)?;
        let api = api::config(&release.app, &args.stage)?;
        let connections = Connections::new(limits(args), Clock::system());
        let id = release.id.clone();
        let frozen = if args.freeze { ", frozen between events" } else { "" };
        let runs = bootstrap.as_ref().map(|(path, _)| format!("routes run in `{}`{frozen}", path.display()));
        let refused = || format!("cannot activate the release of `{}`", manifest.file.display());
        let integration = match &bootstrap {
            Some((bootstrap, gateway)) => {
                let parts = on_lambda::Parts {
                    bootstrap,
                    freeze: args.freeze,
                    app: manifest.name(),
                    stage: &args.stage,
                    release: &build::release_dir(manifest),
                    keys: manifest.keys(),
                    state_dir: &build::state_dir(manifest),
                    config: &config,
                    releases: releases.map(Releases::dir),
                    database: &local.database,
                    gateway: *gateway,
                };
                Integration::on_lambda(&parts, &release).with_context(refused)?
            }
            None => {
                let ports = local.ports(Arc::clone(&connections) as _, config.clone());
                Integration::in_process(ports, release, releases).with_context(refused)?
            }
        };
        Ok(Self {
            name: manifest.name().to_owned(),
            stage: args.stage.clone(),
            release: id,
            runs,
            config,
            gateway: Gateway::new(api, connections, integration.invoke()),
            integration,
            releases: releases.map(|releases| releases.dir().to_owned()),
            reload: None,
            following: None,
            database: local.database,
        })
    }

    /// What follows the files of `manifest`.
    fn reloading(&self, watch: Watch, manifest: Manifest, app: App) -> Reload {
        Reload::new(watch, manifest, (self.release.clone(), app), self.integration.clone(), self.config.clone())
    }

    /// Prints where the app is, and a command to try it.
    fn announce(&self, address: SocketAddr) -> Result<()> {
        let Self { name, stage, release, .. } = self;
        let url = format!("ws://{address}/{stage}");
        let token = token::sign(&self.config, DEMO_USER, TOKEN_LIFETIME)?;
        let header = token.map(|token| format!(" -H \"Authorization: Bearer {token}\"")).unwrap_or_default();
        match self.releases {
            Some(_) => out!("{name} is at {url}"),
            None => out!("{name} (release {release}) is at {url}"),
        }
        out!("@connections is at http://{address}/{stage}/@connections");
        if let Some(runs) = &self.runs {
            out!("{runs}");
        }
        if let Some(releases) = &self.releases {
            out!("releases are followed in `{}`; while none is active, release {release} runs", releases.display());
        }
        out!("\nTry it:\n\n  npx wscat -c {url}{header}\n");
        Ok(())
    }

    /// Serves until `stopped`, then drains: sockets, what is under way, the database.
    async fn serve(self, listener: TcpListener, stopped: oneshot::Receiver<()>) {
        let sweeper = tokio::spawn(sweep(self.database.clone()));
        let reload = self.reload.map(|reload| tokio::spawn(reload.run()));
        let following = self.following.map(|following| tokio::spawn(following.run()));
        let stopped = async {
            // A sender that is dropped asks for the same.
            let _ = stopped.await;
        };
        tidegate_gateway::run(listener, self.gateway, stopped).await;
        // A build under way ends with it.
        [reload, following].into_iter().flatten().for_each(|task| task.abort());
        self.integration.drain().await;
        sweeper.abort();
        self.database.close().await;
    }
}

/// Removes expired items now and then, until the database is closed.
async fn sweep(database: Embedded) {
    loop {
        tokio::time::sleep(SWEEP_PERIOD).await;
        match database.sweep().await {
            Ok(_) => {}
            Err(tidegate_dynamodb_embedded::Error::Closed) => return,
            Err(error) => tracing::warn!("cannot remove expired items, and will try again: {error}"),
        }
    }
}
