//! From the environment to a host, and what Lambda is told when there is none.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tidegate_aws::{Account, ConfigSource, ConfigStore, DynamoRegistry, DynamoStorage, Transport};
use tidegate_event::FunctionError;
use tidegate_ports::Deadline;
use tidegate_release::{Release, folder};
use tidegate_runtime::{Engine, EngineOptions, Follower, Host, Ports};

use crate::closed::Closed;
use crate::config_cache::ConfigCache;
use crate::environment::{Environment, Function};
use crate::metrics::Metrics;
use crate::trace::Tracer;
use crate::{log, releases};

/// How long reading the configuration may take: half of the ten seconds that Lambda gives to a start.
const CONFIG_TIMEOUT: Duration = Duration::from_secs(5);
/// How long loading a published release may take at a start; the package's serves when it takes longer.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long Lambda's Runtime API, on the same machine, may take to hear of an error.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// The type of errors at the start.
const ERROR_TYPE: &str = "Tidegate.Init";

/// What a process keeps for all its events.
pub(crate) struct App {
    pub(crate) host: Arc<Host>,
    /// The configuration values that routes are granted.
    pub(crate) values: Arc<ConfigCache>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where traces are sent, where Lambda says where.
    pub(crate) tracer: Option<Tracer>,
    /// Follows the releases that are published, where the environment says where they are.
    pub(crate) follower: Option<Arc<Follower>>,
}

impl App {
    /// Loads the release of the package, and the one that is published if that is another, and makes the clients that its
    /// function needs, and no others.
    pub(crate) async fn new(environment: Environment) -> anyhow::Result<Self> {
        let release = folder::load(&environment.package).context("cannot load the release of the package")?;
        let package = release.app.clone();
        let release = retain_served(release, &environment)?;
        log::set_release(release.id.clone());
        let metrics = Arc::new(Metrics::new(&environment, &release));
        let account = account(&environment)?;
        let engine = Engine::new(engine_options(environment.concurrency))?;
        let host =
            Host::new(engine, ports(&environment, &account), release.clone()).context("cannot run the release")?;
        let host = Arc::new(host);
        let values = Arc::new(ConfigCache::new(config(&environment, &account)));
        let names = releases::config_names(&release.app);
        let follower = releases::follower(&environment, &account, &host, (&package, release), (&values, &metrics))?;
        let read = values.add(names, &host, Deadline::after(CONFIG_TIMEOUT));
        let follow = async {
            if let Some(follower) = &follower {
                follower.poll(Deadline::after(RELEASE_TIMEOUT)).await;
            }
        };
        let (read, ()) = tokio::join!(read, follow);
        read?;
        let tracer = environment.xray_daemon.as_deref().and_then(tracer);
        Ok(Self { host, values, metrics, tracer, follower })
    }
}

/// Tells Lambda why the function does not start, so that its log and the caller's error say so. Without a Runtime API
/// there is nobody to tell.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>
pub(crate) fn report(runtime_api: Option<&str>, error: &anyhow::Error) {
    let Some(address) = runtime_api else { return };
    let error = FunctionError { error_type: ERROR_TYPE.to_owned(), error_message: format!("{error:#}") };
    if let Err(error) = post(address, &tidegate_event::encode_function_error(&error)) {
        tracing::warn!("cannot report the error to the Runtime API at `{address}`: {error}");
    }
}

/// A request of one kind, to this machine: not worth an HTTP client, which would itself have to start.
fn post(address: &str, body: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(REPORT_TIMEOUT))?;
    stream.set_write_timeout(Some(REPORT_TIMEOUT))?;
    let head = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nLambda-Runtime-Function-Error-Type: {ERROR_TYPE}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    // The answer says nothing, but its first byte says that the report was read.
    stream.read_exact(&mut [0]).map(drop)
}

fn engine_options(concurrency: u32) -> EngineOptions {
    match concurrency {
        1 => EngineOptions::on_demand(1),
        several => EngineOptions::pooling(several),
    }
}

/// Keeps what this function serves.
fn retain_served(mut release: Release, environment: &Environment) -> anyhow::Result<Release> {
    let app = &mut release.app;
    if environment.function == Function::Authorizer && app.authorizer.is_none() {
        let package = environment.package.display();
        bail!("the app in `{package}` has no authorizer; hint: deploy the stack of this package again");
    }
    releases::select(app, &environment.function);
    let used = app.used();
    release.artifacts.retain(|name, _| used.contains(name));
    app.components = used;
    Ok(release)
}

/// Events are worth more than their traces.
fn tracer(daemon: &str) -> Option<Tracer> {
    let tracer = Tracer::new(daemon);
    tracer.inspect_err(|error| tracing::warn!("cannot send traces to `{daemon}`: {error}")).ok()
}

fn account(environment: &Environment) -> anyhow::Result<Account> {
    let credentials = &environment.credentials;
    Ok(Account::new(
        Transport::new()?,
        &environment.region,
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.as_deref(),
    ))
}

fn config(environment: &Environment, account: &Account) -> Option<ConfigStore> {
    let prefix = environment.config_prefix.as_deref()?;
    let endpoint = match environment.config_source {
        ConfigSource::ParameterStore => &environment.endpoints.ssm,
        ConfigSource::SecretsManager => &environment.endpoints.secrets_manager,
    };
    Some(account.config(environment.config_source, prefix, endpoint.as_deref()))
}

fn ports(environment: &Environment, account: &Account) -> Ports {
    let config = Arc::new(BTreeMap::new());
    match &environment.function {
        Function::Handler { tables, callback_url } => {
            let dynamodb = account.dynamodb(environment.endpoints.dynamodb.as_deref());
            Ports {
                storage: Arc::new(DynamoStorage::new(dynamodb.clone(), tables)),
                registry: Arc::new(DynamoRegistry::new(dynamodb, tables)),
                messaging: Arc::new(account.messaging(callback_url)),
                config,
            }
        }
        Function::Authorizer => {
            let closed = Arc::new(Closed);
            Ports { storage: closed.clone(), registry: closed.clone(), messaging: closed, config }
        }
    }
}
