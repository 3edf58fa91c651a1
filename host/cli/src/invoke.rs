//! `tidegate invoke`: runs one route on one event.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tidegate_app::{App, Manifest};
use tidegate_diagnostic::{Code, Context as _, Diagnose as _, Diagnostic};
use tidegate_event::{Event, RouteKey, decode_request, encode_function_error, encode_request};
use tidegate_files::{Links, Refused, refusal};
use tidegate_gateway::{Clock, Limits, SocketTable};
use tidegate_ports::Deadline;
use tidegate_runtime::{Engine, EngineOptions, Host};

use crate::dev::config;
use crate::dev::local::{Data, Local};
use crate::ui::error::{Result, blocking};
use crate::ui::terminal::print_json;
use crate::{args, build};

/// The name of the authorizer on the command line, because the authorizer has no route key.
const AUTHORIZER: &str = "authorizer";
/// The maximum size of an event, in bytes: Lambda's limit on the payload of an invocation.
const MAX_EVENT_BYTES: u64 = 6 << 20;
/// API Gateway's maximum integration timeout.
const TIMEOUT: Duration = Duration::from_secs(29);

/// Builds the app, runs one route on one event with empty tables and without open sockets, and prints the response as
/// JSON. A function error is also printed, with exit code 1.
///
/// # Errors
/// The app cannot be built, or the event is not valid.
pub(crate) async fn run(args: &args::Invoke) -> Result<ExitCode> {
    let manifest = Manifest::load(&args.app)?;
    let event = event(&args.event, &args.route, &manifest.app()).await?;
    let release = build::build(&manifest).await?;
    let local = Local::open(&Data::Memory).await?;
    let sockets = SocketTable::new(Limits::default(), Clock::system());
    let ports = local.ports(Arc::clone(&sockets) as _, config::values(&manifest)?);
    let engine = Engine::new(EngineOptions::on_demand(1))?;
    let host = Host::new(engine, ports, release)
        .context(|| format!("cannot activate the release of `{}`", manifest.file.display()))?;
    let outcome = host.dispatch(&event, Deadline::after(TIMEOUT)).await;
    outcome.after.run(Deadline::after(TIMEOUT)).await;
    match outcome.response {
        Ok(response) => {
            print_json(&String::from_utf8_lossy(&response));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            print_json(&String::from_utf8_lossy(&encode_function_error(&error)));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Reads the event at `path`, and sets its route key to `route`.
async fn event(path: &Path, route: &str, app: &App) -> Result<Vec<u8>> {
    let what = format!("cannot read the event `{}`", path.display());
    let bytes = read(path, &what).await?;
    let mut request = decode_request(&bytes).diagnose(Code::EventInvalid, || what)?;
    let (kind, fits) = match request.event {
        Event::Authorize(_) => ("the authorizer", route == AUTHORIZER),
        Event::Connect(_) => ("`$connect`", route == RouteKey::CONNECT),
        Event::Disconnect(_) => ("`$disconnect`", route == RouteKey::DISCONNECT),
        _ => ("a message", ![AUTHORIZER, RouteKey::CONNECT, RouteKey::DISCONNECT].contains(&route)),
    };
    let what = format!("cannot invoke `{route}` on the event `{}`", path.display());
    if !fits {
        return Err(Diagnostic::new(Code::EventRouteMismatch, what, format!("it is an event of {kind}")));
    }
    if route != AUTHORIZER {
        request.route_key = route_key(route, app, what)?;
    }
    Ok(encode_request(&request))
}

async fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let what = what.to_owned();
    let path = path.to_owned();
    // Standard input is read on a separate thread, so that a signal can end the wait for it.
    blocking(move || {
        let bytes = match path.to_str() {
            Some("-") => read_stdin(),
            _ => tidegate_files::read(&path, MAX_EVENT_BYTES, Links::Follow),
        };
        bytes.map_err(|error| {
            let hint = refusal(&error).map(|_| "pass `-` to read a pipe from standard input".to_owned());
            Diagnostic { hint, ..Diagnostic::caused_by(Code::FileRead, what, &error) }
        })
    })
    .await
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().take(MAX_EVENT_BYTES + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_EVENT_BYTES) {
        true => Ok(bytes),
        false => Err(Refused::TooLarge(MAX_EVENT_BYTES).into()),
    }
}

fn route_key(route: &str, app: &App, what: String) -> Result<RouteKey> {
    let key = RouteKey::new(route).diagnose(Code::RouteKeyInvalid, || what.clone())?;
    if app.routes.contains_key(&key) {
        return Ok(key);
    }
    let known: Vec<_> = app.routes.keys().map(|key| format!("`{key}`")).collect();
    let why = format!("the app `{}` has no route `{route}`", app.name);
    Err(Diagnostic::new(Code::RouteUnknown, what, why).hint(format!("its routes are {}", known.join(", "))))
}
