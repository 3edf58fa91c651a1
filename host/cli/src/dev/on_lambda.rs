//! The gateway's integration with `--lambda`: the real `bootstrap`, in separate processes.
//!
//! The functions have the same configuration as in the stack in `infra/`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use tidegate_app::Keys;
use tidegate_aws::Tables;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_dynamodb_embedded::{Embedded, connector};
use tidegate_gateway::{Caller, Function, Invoke, InvokeError};
use tidegate_lambda_emulator::{Aws, Configuration, Error};
use tokio_util::task::TaskTracker;

use crate::args;
use crate::dev::api::{ACCOUNT, REGION};
use crate::dev::environments::Environments;
use crate::dev::package_copy::PackageCopy;
use crate::dev::{access, child};
use crate::ui::error::Result;

/// The file name of the bootstrap, next to this program.
const BOOTSTRAP: &str = "bootstrap";
/// The memory and the timeout that the stack gives each function.
const HANDLER: Size = Size { memory: 512, timeout: Duration::from_secs(29) };
const AUTHORIZER: Size = Size { memory: 256, timeout: Duration::from_secs(5) };

/// The interval at which replaced functions are checked for callers that still hold them.
const REPLACED_PERIOD: Duration = Duration::from_millis(100);

struct Size {
    /// Memory in MiB.
    memory: u32,
    timeout: Duration,
}

/// The functions of an app as the gateway's integration.
pub(crate) struct OnLambda {
    /// The configurations, without the package.
    handler: Configuration,
    authorizer: Configuration,
    aws: Arc<Aws>,
    /// The release folder.
    release: PathBuf,
    /// The trusted keys.
    keys: Keys,
    /// The folder for everything that Tidegate writes for the app.
    state_dir: PathBuf,
    /// The prefix of the app's parameters.
    prefix: String,
    active: RwLock<Arc<Functions>>,
    environments: Environments,
    /// The tasks that wait for replaced functions to end their events.
    ending: TaskTracker,
}

/// Both functions of one package.
struct Functions {
    handler: Arc<tidegate_lambda_emulator::Function>,
    authorizer: Arc<tidegate_lambda_emulator::Function>,
    _package: PackageCopy,
}

/// The parts from which the functions are created.
pub(crate) struct Parts<'a> {
    /// The program to run.
    pub(crate) bootstrap: &'a Path,
    /// True if processes are stopped between events.
    pub(crate) freeze: bool,
    /// The name of the app.
    pub(crate) app: &'a str,
    /// The stage of the API.
    pub(crate) stage: &'a str,
    /// The release folder.
    pub(crate) release: &'a Path,
    /// The trusted keys.
    pub(crate) keys: &'a Keys,
    /// The folder for everything that Tidegate writes for the app.
    pub(crate) state_dir: &'a Path,
    /// The absolute path of the folder of releases to follow.
    pub(crate) releases: Option<&'a Path>,
    /// The configuration values.
    pub(crate) config: &'a BTreeMap<String, String>,
    /// The database with the tables.
    pub(crate) database: &'a Embedded,
    /// The address of the gateway.
    pub(crate) gateway: SocketAddr,
    /// The credentials of the functions.
    pub(crate) credentials: &'a Credentials,
}

/// Returns the bootstrap that the arguments name, or the one next to this program.
///
/// # Errors
/// The file does not exist.
pub(crate) fn bootstrap(args: &args::Dev) -> Result<PathBuf> {
    let path = match &args.bootstrap {
        Some(path) => path.clone(),
        None => std::env::current_exe()
            .diagnose(Code::FileNotFound, || "cannot find the folder of this program")?
            .with_file_name(BOOTSTRAP),
    };
    if !path.is_file() {
        let what = format!("cannot run the bootstrap `{}`", path.display());
        return Err(Diagnostic::new(Code::BootstrapMissing, what, "no such file")
            .hint("build it with `cargo build -p tidegate-lambda`, or pass `--bootstrap FILE`"));
    }
    Ok(path)
}

impl OnLambda {
    /// Creates the functions of an app. Their processes start with their first events.
    ///
    /// # Errors
    /// The release cannot be copied.
    pub(crate) fn new(parts: &Parts<'_>) -> Result<Self> {
        let through = child::command()?;
        let tables = Tables::default();
        let handler_variables = vec![
            ("CONNECTIONS_TABLE", tables.connections),
            ("GROUPS_TABLE", tables.groups),
            ("STORAGE_TABLE", tables.storage),
            ("API_GATEWAY_URL", access::callback_url(parts.gateway, parts.stage)),
        ];
        let handler = parts.configuration(&through, "handler", HANDLER, handler_variables);
        let authorizer = parts.configuration(&through, "authorizer", AUTHORIZER, Vec::new());
        let aws = parts.aws();
        let package = copy_package(parts.release, parts.keys, parts.state_dir)?;
        let functions = Functions::new(&handler, &authorizer, &aws, package);
        Ok(Self {
            handler,
            authorizer,
            aws,
            release: parts.release.to_owned(),
            keys: parts.keys.clone(),
            state_dir: parts.state_dir.to_owned(),
            prefix: parts.prefix(),
            active: RwLock::new(Arc::new(functions)),
            environments: Environments::new(),
            ending: TaskTracker::new(),
        })
    }

    /// Switches later events to new processes with the current content of the release folder, as a deployment does.
    /// Events in flight end in the old processes, which then end too.
    ///
    /// # Errors
    /// The release cannot be copied. Events then continue on the current release.
    pub(crate) fn activate(&self) -> Result<()> {
        let package = copy_package(&self.release, &self.keys, &self.state_dir)?;
        let new = Functions::new(&self.handler, &self.authorizer, &self.aws, package);
        let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *active, Arc::new(new));
        drop(active);
        self.ending.spawn(async move {
            // A caller that is about to invoke a function holds a reference.
            while Arc::strong_count(&old) > 1 {
                tokio::time::sleep(REPLACED_PERIOD).await;
            }
            old.close().await;
        });
        Ok(())
    }

    /// Writes the parameters, and starts new processes that read them. Running processes would read them only a minute
    /// later.
    ///
    /// # Errors
    /// The same as for [`activate`](Self::activate).
    pub(crate) fn set_config(&self, values: &BTreeMap<String, String>) -> Result<()> {
        self.aws.set_parameters(parameters(&self.prefix, values));
        self.activate()
    }

    /// Waits until every event and its post-response phase have ended, and then ends the processes.
    pub(crate) async fn drain(&self) {
        self.active().close().await;
        self.ending.close();
        self.ending.wait().await;
    }

    fn active(&self) -> Arc<Functions> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Functions {
    fn new(handler: &Configuration, authorizer: &Configuration, aws: &Arc<Aws>, package: PackageCopy) -> Self {
        let function = |configuration: &Configuration| {
            let configuration = Configuration { task_root: package.path(), ..configuration.clone() };
            tidegate_lambda_emulator::Function::new(configuration, Arc::clone(aws))
        };
        Self { handler: function(handler), authorizer: function(authorizer), _package: package }
    }

    async fn close(&self) {
        tokio::join!(self.handler.close(), self.authorizer.close());
    }
}

impl Parts<'_> {
    /// Returns the prefix of the app's parameters.
    fn prefix(&self) -> String {
        format!("/tidegate/{}/{}/", self.app, self.stage)
    }

    fn aws(&self) -> Arc<Aws> {
        let dynamodb = connector::Client::new(self.database.clone()).connector();
        let aws = Aws::new(dynamodb, REGION, self.credentials.clone());
        aws.set_parameters(parameters(&self.prefix(), self.config));
        Arc::new(aws)
    }

    fn configuration(&self, through: &[OsString], name: &str, size: Size, own: Vec<(&str, String)>) -> Configuration {
        let common = [
            ("TIDEGATE_FUNCTION", name.to_owned()),
            ("STAGE", self.stage.to_owned()),
            ("CONFIG_PREFIX", self.prefix()),
        ];
        let releases = self.releases.map(|dir| ("RELEASES_DIR", dir.display().to_string()));
        Configuration {
            name: format!("{}-{}-{name}", self.app, self.stage),
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            bootstrap: self.bootstrap.to_owned(),
            through: through.to_vec(),
            // Set for each package.
            task_root: PathBuf::new(),
            memory: size.memory,
            timeout: size.timeout,
            variables: common
                .into_iter()
                .chain(own)
                .chain(releases)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            credentials: self.credentials.clone(),
            freeze: self.freeze,
        }
    }
}

#[async_trait]
impl Invoke for OnLambda {
    async fn invoke(&self, function: Function, event: Vec<u8>, caller: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
        let slot = self.environments.slot(function, caller).await;
        let slot = slot.map_err(|reason| InvokeError::Unavailable(reason.to_string()))?;
        let functions = self.active();
        let function = match function {
            Function::Handler => &functions.handler,
            Function::Authorizer => &functions.authorizer,
        };
        function.invoke_with(event, slot).await.map_err(|error| match error {
            Error::Function(error) => InvokeError::FunctionError(error),
            Error::TimedOut(_) => InvokeError::Timeout,
            error => {
                let error = Diagnostic::from(error);
                tracing::error!(code = %error.code, hint = error.hint.as_deref(), "{error}");
                InvokeError::Unavailable(error.to_string())
            }
        })
    }
}

fn copy_package(release: &Path, keys: &Keys, state_dir: &Path) -> Result<PackageCopy> {
    PackageCopy::new(release, keys, state_dir)
        .diagnose(Code::FileWrite, || format!("cannot copy the release in `{}`", release.display()))
}

/// Returns configuration values as parameters.
fn parameters(prefix: &str, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone())).collect()
}
