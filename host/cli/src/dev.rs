//! `tidegate dev`: the gateway, the host and DynamoDB in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_embedded::Embedded;
use tidegate_gateway::{Clock, Connections, Gateway, Limits};
use tidegate_release::{Manifest, Release, ReleaseId};
use tidegate_runtime::{Engine, EngineOptions, Host};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::in_process::InProcess;
use crate::local::{Data, Local};
use crate::shutdown::Shutdown;
use crate::{api, args, build, config, token};

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
    // Before the build, so that a port in use is said at once.
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on `{address}`; hint: choose another port with `--port`, 0 takes a free one")
    })?;
    let release = build::build(&manifest).await?;
    let local = Local::open(&data(args, &manifest)).await?;
    local.forget_connections().await?;
    let server = Server::new(&manifest, release, local, &args.stage)?;
    server.announce(&listener)?;
    Ok((server, listener))
}

fn data(args: &args::Dev, manifest: &Manifest) -> Data {
    match (&args.data, args.memory) {
        (Some(dir), _) => Data::Folder(dir.clone()),
        (None, true) => Data::Memory,
        (None, false) => Data::Folder(build::state_dir(manifest).join("data")),
    }
}

/// The gateway over the host, over the database.
struct Server {
    name: String,
    stage: String,
    release: ReleaseId,
    config: BTreeMap<String, String>,
    gateway: Arc<Gateway>,
    integration: Arc<InProcess>,
    database: Embedded,
}

impl Server {
    fn new(manifest: &Manifest, release: Release, local: Local, stage: &str) -> Result<Self> {
        let config = config::values(manifest)?;
        let api = api::config(&release.app, stage)?;
        let connections = Connections::new(Limits::default(), Clock::system());
        let ports = local.ports(Arc::clone(&connections) as _, config.clone());
        let host = Host::new(Engine::new(EngineOptions::local())?, ports, release)
            .with_context(|| format!("cannot activate the release of `{}`", manifest.file.display()))?;
        let release = host.release().clone();
        let integration = Arc::new(InProcess::new(host));
        Ok(Self {
            name: manifest.name().to_owned(),
            stage: stage.to_owned(),
            release,
            config,
            gateway: Gateway::new(api, connections, Arc::clone(&integration) as _),
            integration,
            database: local.database,
        })
    }

    /// Prints where the app is, and a command to try it.
    fn announce(&self, listener: &TcpListener) -> Result<()> {
        let Self { name, stage, release, .. } = self;
        let address = listener.local_addr().context("cannot read the listener's address")?;
        let url = format!("ws://{address}/{stage}");
        let header = match token::sign(&self.config, DEMO_USER, TOKEN_LIFETIME)? {
            Some(token) => format!(" -H \"Authorization: Bearer {token}\""),
            None => String::new(),
        };
        println!("{name} (release {release}) is at {url}");
        println!("@connections is at http://{address}/{stage}/@connections");
        println!("\nTry it:\n\n  npx wscat -c {url}{header}\n");
        Ok(())
    }

    /// Serves until `stopped`, then drains: sockets, what is under way, the database.
    async fn serve(self, listener: TcpListener, stopped: oneshot::Receiver<()>) {
        let database = self.database.clone();
        let sweeper = tokio::spawn(async move { database.sweep_every(SWEEP_PERIOD, std::future::pending()).await });
        let stopped = async {
            // A sender that is dropped asks for the same.
            let _ = stopped.await;
        };
        tidegate_gateway::run(listener, self.gateway, stopped).await;
        self.integration.drain().await;
        sweeper.abort();
        self.database.close().await;
    }
}
