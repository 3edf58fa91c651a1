//! `tidegate dev`: runs the gateway, DynamoDB and the host in one process, or the host in separate processes.
//!
//! - `server`: the parts of a running app
//! - `api`: the gateway's configuration of an app
//! - `local`: the ports of a local run, over DynamoDB in this process
//! - `config`: the configuration values of a local run; `env_file`: the format of `.env`
//! - `integration`: the gateway's integration, which is `in_process` or `on_lambda`
//! - `memory`: the memory budget of the process
//! - `package_copy`, `child`: the release and the processes of a run with `--lambda`
//! - `watch`: changes to the app's files; `reload`: rebuilds after such changes
//! - `follow`: follows a folder of releases
//! - `access`: the callers that the gateway accepts, and the keys of the run; `run_file`: tells `tidegate env` about
//!   the run
//! - `shutdown`: the signals that end the process

mod access;
pub(crate) mod api;
pub(crate) mod child;
pub(crate) mod config;
mod env_file;
mod environments;
mod follow;
mod in_process;
mod integration;
pub(crate) mod local;
mod memory;
mod on_lambda;
mod package_copy;
mod reload;
pub(crate) mod run_file;
mod server;
pub(crate) mod shutdown;
mod watch;

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit, setrlimit};
use tidegate_app::Manifest;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::dev::access::Door;
use crate::dev::follow::Releases;
use crate::dev::local::{Data, Local};
use crate::dev::server::Server;
use crate::dev::shutdown::Shutdown;
use crate::dev::watch::Watch;
use crate::ui::error::Result;
use crate::ui::terminal::err;
use crate::{args, build};

/// Builds the app and serves it until a signal arrives. Then closes every socket and waits for the events in flight.
///
/// # Errors
/// The app cannot be built, the port is in use, or another process uses the data folder.
pub(crate) async fn run(args: &args::Dev, shutdown: &mut Shutdown) -> Result<ExitCode> {
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
    err!("tidegate: closing the sockets; a second signal ends the process at once");
    // This fails only if the server has ended already.
    let _ = stop.send(());
    tokio::select! {
        () = serving => Ok(ExitCode::SUCCESS),
        code = shutdown.exit_code() => Ok(code),
    }
}

async fn start(args: &args::Dev) -> Result<(Server, TcpListener)> {
    let manifest = Manifest::load(&args.app.dir)?;
    let address = SocketAddr::new(args.host, args.port);
    // The listener and the database are opened before the build, so a port or data folder that is in use is reported at
    // once.
    let listener = TcpListener::bind(address).await.map_err(|error| listen_error(address, &error))?;
    access::warn(args, address);
    let unused = config::unused(&manifest)?;
    config::warn(&unused);
    raise_descriptor_limit();
    let bootstrap = if args.lambda { Some(on_lambda::bootstrap(args)?) } else { None };
    build::state::prepare(&manifest)?;
    let local = Local::open(&data(args, &manifest)).await?;
    let releases = Releases::open(args, &manifest)?;
    // The watch starts before the build, so no change is missed.
    let watch = if releases.is_none() { Some(Watch::new(&manifest)) } else { None };
    let release = build::build(&manifest).await?;
    local.remove_stale_connections().await?;
    let address = listener.local_addr().diagnose(Code::ListenFailed, || "cannot read the address of the listener")?;
    let app = release.app.clone();
    let door = Door::open(args, address, &build::state::path(&manifest))?;
    let mut server = Server::new(args, &manifest, release, local, door, bootstrap, releases.as_ref())?;
    match watch {
        Some(Ok(watch)) => server.reload_on_changes(watch, manifest, app.clone(), unused),
        Some(Err(error)) => err!("tidegate: warning: changes of the app's files are not followed: {error}"),
        None => {}
    }
    if let Some(releases) = &releases {
        // From now on the command line compares releases with this app before it activates them.
        releases.record_deployed(&app)?;
        if let Some(follower) = server.follower() {
            let following = releases.follow(Arc::clone(follower)).await;
            server.follow_releases(following);
        }
    }
    server.announce()?;
    Ok((server, listener))
}

fn listen_error(address: SocketAddr, error: &Error) -> Diagnostic {
    let what = format!("cannot listen on `{address}`");
    match error.kind() {
        ErrorKind::AddrInUse => Diagnostic::caused_by(Code::PortInUse, what, error)
            .hint("choose another port with `--port PORT`; `--port 0` takes a free one"),
        _ => Diagnostic::caused_by(Code::ListenFailed, what, error),
    }
}

/// Raises the soft limit on file descriptors. Its default of 1,024 is meant for programs that use `select`, and every
/// socket is a file descriptor.
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
        (None, false) => Data::Folder(build::state::path(manifest).join("data")),
    }
}
