//! `tidegate invoke`: one route on one event.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tidegate_capability::Deadline;
use tidegate_event::{Event, RouteKey, decode_request, encode_function_error, encode_request};
use tidegate_gateway::{Clock, Connections, Limits};
use tidegate_release::{App, Manifest};
use tidegate_runtime::{Engine, EngineOptions, Host};

use crate::local::{Data, Local};
use crate::{args, build, config};

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
    let event = event(&args.event, &args.route, &manifest.app())?;
    let release = build::build(&manifest).await?;
    let local = Local::open(&Data::Memory).await?;
    let connections = Connections::new(Limits::default(), Clock::system());
    let ports = local.ports(Arc::clone(&connections) as _, config::values(&manifest)?);
    let host = Host::new(Engine::new(EngineOptions::on_demand(1))?, ports, release)?;
    let outcome = host.dispatch(&event, Deadline::after(TIMEOUT)).await;
    outcome.after.run(Deadline::after(TIMEOUT)).await;
    match outcome.response {
        Ok(response) => {
            println!("{}", String::from_utf8_lossy(&response));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("{}", String::from_utf8_lossy(&encode_function_error(&error)));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The event of `path`, made one for `route`.
fn event(path: &Path, route: &str, app: &App) -> Result<Vec<u8>> {
    let context = || format!("cannot read the event `{}`", path.display());
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut bytes).with_context(context)?,
        _ => std::fs::File::open(path).with_context(context)?.read_to_end(&mut bytes).with_context(context)?,
    };
    let mut request = decode_request(&bytes).with_context(context)?;
    let authorizes = matches!(request.event, Event::Authorize(_));
    if authorizes != (route == AUTHORIZER) {
        let kind = if authorizes { "the authorizer" } else { "a route" };
        bail!("the event `{}` is for {kind}, not for `{route}`", path.display());
    }
    if !authorizes {
        let key = RouteKey::new(route)?;
        if !app.routes.contains_key(&key) {
            let known: Vec<_> = app.routes.keys().map(|key| format!("`{key}`")).collect();
            bail!("the app `{}` has no route `{route}`; hint: one of {}", app.name, known.join(", "));
        }
        request.route_key = key;
    }
    Ok(encode_request(&request))
}
