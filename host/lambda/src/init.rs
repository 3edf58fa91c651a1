//! Creates the host from the environment, and reports to Lambda if the function does not start.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate_aws::{Account, ConfigSource, ConfigStore, DynamoRegistry, DynamoStorage, Transport};
use tidegate_diagnostic::{Code, Context as _, Diagnose as _, Diagnostic};
use tidegate_ports::{Deadline, MemoryBudget};
use tidegate_release::{Release, folder};
use tidegate_runtime::{Engine, EngineOptions, Follower, Host, Ports, RoutePorts};

use crate::config_cache::ConfigCache;
use crate::environment::{Environment, Function};
use crate::metrics::Metrics;
use crate::trace::Tracer;
use crate::{log, releases};

/// The time limit for reading the configuration: half of the ten seconds that Lambda allows for the Init phase.
const CONFIG_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for loading a published release in the Init phase. If loading takes longer, the function runs the
/// release of the package.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for reporting an error to the Runtime API, which is on the same machine.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// The error type of a function that does not start.
const ERROR_TYPE: &str = "Tidegate.Init";

/// The state of the process.
pub(crate) struct App {
    pub(crate) host: Arc<Host>,
    /// The configuration values that routes are granted.
    pub(crate) config: Arc<ConfigCache>,
    pub(crate) metrics: Arc<Metrics>,
    /// Sends traces. `None` if Lambda states no address of a daemon, or the socket fails.
    pub(crate) tracer: Option<Tracer>,
    /// Keeps the host in sync with published releases. `None` if the environment does not name their store.
    pub(crate) follower: Option<Arc<Follower>>,
}

impl App {
    /// Loads the release of the package and the published one, and creates the clients that the function needs.
    pub(crate) async fn new(environment: Environment) -> Result<Self, Diagnostic> {
        let release = folder::load(&environment.package);
        let release = release.context(|| "cannot load the release of the package")?;
        let release = retain_served(release, &environment)?;
        log::set_release(release.id.clone());
        let metrics = Arc::new(Metrics::new(&environment, &release));
        let account = account(&environment)?;
        let memory = MemoryBudget::new(environment.guest_memory);
        let engine = Engine::with_memory(engine_options(environment.concurrency), memory)?;
        let host = Host::new(engine, ports(&environment, &account), release.clone());
        let host = Arc::new(host.context(|| "cannot run the release")?);
        let config = Arc::new(ConfigCache::new(config_store(&environment, &account)));
        let names = releases::config_names(&release.app);
        let hooks = releases::hooks(&environment.function, &host, &config, &metrics);
        let follower = releases::follower(&environment, &account, &host, release, hooks)?;
        let read = config.add(names, &host, Deadline::after(CONFIG_TIMEOUT));
        let poll = async {
            if let Some(follower) = &follower {
                follower.poll(Deadline::after(RELEASE_TIMEOUT)).await;
            }
        };
        let (read, ()) = tokio::join!(read, poll);
        read?;
        let tracer = environment.xray_daemon.as_deref().and_then(tracer);
        Ok(Self { host, config, metrics, tracer, follower })
    }
}

/// Reports to Lambda why the function does not start, for its log and the caller's error. Does nothing if there is no
/// Runtime API.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>
pub(crate) fn report(runtime_api: Option<&str>, error: &Diagnostic) {
    let Some(runtime_api) = runtime_api else { return };
    // The path may be a secret, so it is not logged.
    let (address, path) = split(runtime_api);
    if let Err(error) = post(address, &path, init_error(error).to_string().as_bytes()) {
        tracing::warn!("cannot report the error to the Runtime API at `{address}`: {error}");
    }
}

/// Returns the body of the report. Lambda shows only the message, so the message contains the hint too.
fn init_error(error: &Diagnostic) -> serde_json::Value {
    let hint = error.hint.as_ref().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    json!({
        "errorType": ERROR_TYPE,
        "errorMessage": format!("{error}{hint}"),
        "code": error.code.as_str(),
        "hint": error.hint,
    })
}

/// Splits the value of `AWS_LAMBDA_RUNTIME_API`, which is an address, with a path on emulators.
fn split(runtime_api: &str) -> (&str, String) {
    let endpoint = runtime_api.strip_prefix("http://").unwrap_or(runtime_api).trim_end_matches('/');
    match endpoint.split_once('/') {
        Some((address, path)) => (address, format!("/{path}")),
        None => (endpoint, String::new()),
    }
}

/// Posts to the Runtime API without an HTTP client, because the client may be the part that failed to start.
fn post(address: &str, path: &str, body: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(REPORT_TIMEOUT))?;
    stream.set_write_timeout(Some(REPORT_TIMEOUT))?;
    let head = format!(
        "POST {path}/2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nLambda-Runtime-Function-Error-Type: {ERROR_TYPE}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    // The response has no content. Its first byte shows that the report was read.
    stream.read_exact(&mut [0]).map(drop)
}

fn engine_options(concurrency: u32) -> EngineOptions {
    match concurrency {
        1 => EngineOptions::on_demand(1),
        several => EngineOptions::pooling(several),
    }
}

/// Removes the part of the app that this function does not serve, with its artifacts.
fn retain_served(mut release: Release, environment: &Environment) -> Result<Release, Diagnostic> {
    let app = &mut release.app;
    if environment.function == Function::Authorizer && app.authorizer.is_none() {
        let what = format!("the app in `{}` has no authorizer", environment.package.display());
        let error = Diagnostic::new(Code::FunctionAuthorizerMissing, what, "");
        return Err(error.hint("deploy the stack of this package again"));
    }
    releases::select(app, &environment.function);
    let used = app.used();
    release.artifacts.retain(|name, _| used.contains(name));
    app.components = used;
    Ok(release)
}

/// Returns a tracer. If it cannot be created, events are not traced.
fn tracer(daemon: &str) -> Option<Tracer> {
    let tracer = Tracer::new(daemon);
    tracer.inspect_err(|error| tracing::warn!("cannot send traces to `{daemon}`: {error}")).ok()
}

fn account(environment: &Environment) -> Result<Account, Diagnostic> {
    let credentials = &environment.credentials;
    let transport = Transport::new().diagnose(Code::FunctionClient, || "cannot create the client of AWS services")?;
    Ok(Account::new(
        transport,
        &environment.region,
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.as_deref(),
    ))
}

fn config_store(environment: &Environment, account: &Account) -> Option<ConfigStore> {
    let prefix = environment.config_prefix.as_deref()?;
    let endpoint = match environment.config_source {
        ConfigSource::ParameterStore => &environment.endpoints.ssm,
        ConfigSource::SecretsManager => &environment.endpoints.secrets_manager,
    };
    Some(account.config(environment.config_source, prefix, endpoint.as_deref()))
}

fn ports(environment: &Environment, account: &Account) -> Ports {
    let routes = match &environment.function {
        Function::Handler { tables, callback_url } => {
            let dynamodb = account.dynamodb(environment.endpoints.dynamodb.as_deref());
            Some(RoutePorts {
                storage: Arc::new(DynamoStorage::new(dynamodb.clone(), tables)),
                registry: Arc::new(DynamoRegistry::new(dynamodb, tables)),
                messaging: Arc::new(account.messaging(callback_url)),
            })
        }
        Function::Authorizer => None,
    };
    Ports { routes, config: Arc::new(BTreeMap::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_api_may_have_a_path() {
        for (runtime_api, address, path) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", ""),
            ("127.0.0.1:9001/secret", "127.0.0.1:9001", "/secret"),
            ("http://127.0.0.1:9001/.rt/chat/", "127.0.0.1:9001", "/.rt/chat"),
        ] {
            assert_eq!(split(runtime_api), (address, path.to_owned()));
        }
    }
}
