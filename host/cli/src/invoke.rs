//! `tidegate invoke`: one route on one event.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tidegate_app::{App, Manifest};
use tidegate_event::{Event, RouteKey, decode_request, encode_function_error, encode_request};
use tidegate_gateway::{Clock, Connections, Limits};
use tidegate_ports::Deadline;
use tidegate_runtime::{Engine, EngineOptions, Host};

use crate::dev::config;
use crate::dev::local::{Data, Local};
use crate::ui::output::out;
use crate::{args, build};

/// How an event of the authorizer is named, which has no route key of its own.
const AUTHORIZER: &str = "authorizer";
/// API Gateway's longest integration timeout.
const TIMEOUT: Duration = Duration::from_secs(29);

/// Builds the app, runs one route on one event over empty tables and no open socket, and prints the response: JSON on
/// standard output, and exit code 1 when it is a function error.
///
/// # Errors
/// When the app or the event is at fault.
pub(crate) async fn run(args: &args::Invoke) -> Result<ExitCode> {
    let manifest = Manifest::load(&args.app)?;
    let event = event(&args.event, &args.route, &manifest.app()).await?;
    let release = build::build(&manifest).await?;
    let local = Local::open(&Data::Memory).await?;
    let connections = Connections::new(Limits::default(), Clock::system());
    let ports = local.ports(Arc::clone(&connections) as _, config::values(&manifest)?);
    let host = Host::new(Engine::new(EngineOptions::on_demand(1))?, ports, release)
        .with_context(|| format!("cannot activate the release of `{}`", manifest.file.display()))?;
    let outcome = host.dispatch(&event, Deadline::after(TIMEOUT)).await;
    outcome.after.run(Deadline::after(TIMEOUT)).await;
    match outcome.response {
        Ok(response) => {
            out!("{}", String::from_utf8_lossy(&response));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            out!("{}", String::from_utf8_lossy(&encode_function_error(&error)));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The event of `path`, made one for `route`.
async fn event(path: &Path, route: &str, app: &App) -> Result<Vec<u8>> {
    let context = || format!("cannot read the event `{}`", path.display());
    let bytes = match path.to_str() {
        // On a thread of its own, so that a signal ends the wait for standard input.
        Some("-") => {
            tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()).map(String::into_bytes)).await?
        }
        _ => std::fs::read(path),
    };
    let mut request = decode_request(&bytes.with_context(context)?).with_context(context)?;
    let (kind, fits) = match request.event {
        Event::Authorize(_) => ("the authorizer", route == AUTHORIZER),
        Event::Connect(_) => ("`$connect`", route == RouteKey::CONNECT),
        Event::Disconnect(_) => ("`$disconnect`", route == RouteKey::DISCONNECT),
        _ => ("a message", ![AUTHORIZER, RouteKey::CONNECT, RouteKey::DISCONNECT].contains(&route)),
    };
    if !fits {
        bail!("the event `{}` is one of {kind}, not of `{route}`", path.display());
    }
    if route != AUTHORIZER {
        let key = RouteKey::new(route)?;
        if !app.routes.contains_key(&key) {
            let known: Vec<_> = app.routes.keys().map(|key| format!("`{key}`")).collect();
            bail!("the app `{}` has no route `{route}`; hint: one of {}", app.name, known.join(", "));
        }
        request.route_key = key;
    }
    Ok(encode_request(&request))
}
