//! The environment variables of the function, read once.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_app::limits::duration;
use tidegate_aws::{ConfigSource, ReleaseTables, Tables};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_runtime::rollout;

/// The environment of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// The function that this process runs.
    pub(crate) function: Function,
    /// `STAGE`: a dimension of the metrics.
    pub(crate) stage: String,
    /// `LAMBDA_TASK_ROOT`, or the folder of this binary: the folder of the package.
    pub(crate) package: PathBuf,
    /// `AWS_REGION`.
    pub(crate) region: String,
    /// The credentials of the function's role.
    pub(crate) credentials: Credentials,
    /// The endpoints of AWS services, if they are not the default ones.
    pub(crate) endpoints: Endpoints,
    /// `CONFIG_PREFIX`: the prefix of the names of the app's configuration values.
    pub(crate) config_prefix: Option<String>,
    /// `CONFIG_SOURCE`: the service that has the values; Parameter Store by default.
    pub(crate) config_source: ConfigSource,
    /// The store of published releases; `None` if the function runs the release of its package only.
    pub(crate) releases: Option<ReleaseSource>,
    /// `MAX_STALENESS`: the age at which an event reads the rollout state again, for example `2s`.
    pub(crate) poll_interval: Duration,
    /// `AWS_LAMBDA_FUNCTION_NAME` and `AWS_LAMBDA_LOG_STREAM_NAME`: the name of this process, which identifies its
    /// logs.
    pub(crate) name: String,
    /// `AWS_XRAY_DAEMON_ADDRESS`: the address of the X-Ray daemon.
    pub(crate) xray_daemon: Option<String>,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`: the maximum number of concurrent events; 1 by default.
    pub(crate) concurrency: u32,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: the bytes that guests may use together. The rest is for the host itself.
    pub(crate) guest_memory: usize,
}

/// `TIDEGATE_FUNCTION`: one of the two functions of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Function {
    /// `handler`: the routes.
    Handler {
        /// `CONNECTIONS_TABLE`, `GROUPS_TABLE`, `STORAGE_TABLE`.
        tables: Tables,
        /// `API_GATEWAY_URL`.
        callback_url: String,
    },
    /// `authorizer`: the authorizer of `$connect`.
    Authorizer,
}

/// The store of published releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReleaseSource {
    /// DynamoDB tables and an S3 bucket.
    Aws {
        /// `RELEASES_TABLE` and `RELEASE_STATUS_TABLE`.
        tables: ReleaseTables,
        /// `RELEASES_BUCKET`.
        bucket: String,
    },
    /// `RELEASES_DIR`: a folder on one machine, or on a file system that functions share.
    Folder(PathBuf),
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

/// `AWS_ENDPOINT_URL`, and for one service `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_SSM`
/// and `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
///
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) dynamodb: Option<String>,
    pub(crate) s3: Option<String>,
    pub(crate) ssm: Option<String>,
    pub(crate) secrets_manager: Option<String>,
}

/// An error of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A variable that Lambda sets is missing.
    #[error("the environment variable `{0}` is not set, although Lambda sets it")]
    NotOnLambda(&'static str),
    /// A variable of the function is missing.
    #[error("the environment variable `{name}` is not set")]
    Missing {
        /// The name of the variable.
        name: &'static str,
        /// A description of its value.
        meaning: &'static str,
    },
    /// A variable has a value that is not allowed.
    #[error("the environment variable `{name}` is `{value}`")]
    Malformed {
        /// The name of the variable.
        name: &'static str,
        /// The value of the variable.
        value: String,
        /// A description of its value.
        meaning: &'static str,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::NotOnLambda(_) => Self::new(Code::FunctionNotOnLambda, what, "").hint(
                "this program is the `bootstrap` of a Lambda function; `tidegate dev` runs an app on this machine",
            ),
            Error::Missing { meaning, .. } => {
                Self::new(Code::FunctionEnvironmentMissing, what, "").hint(format!("set it to {meaning}"))
            }
            Error::Malformed { meaning, .. } => {
                Self::new(Code::FunctionEnvironmentInvalid, what, "").hint(format!("set it to {meaning}"))
            }
        }
    }
}

const FUNCTION: (&str, &str) = ("TIDEGATE_FUNCTION", "`handler` or `authorizer`");
const STAGE: (&str, &str) = ("STAGE", "the name of the API's stage, such as `dev`");
const CONNECTIONS_TABLE: (&str, &str) = ("CONNECTIONS_TABLE", "the name of the table of connections");
const GROUPS_TABLE: (&str, &str) = ("GROUPS_TABLE", "the name of the table of groups");
const STORAGE_TABLE: (&str, &str) = ("STORAGE_TABLE", "the name of the table of documents");
const CALLBACK_URL: (&str, &str) =
    ("API_GATEWAY_URL", "the stage's callback URL, for example `https://abc.execute-api.eu-west-1.amazonaws.com/dev`");
const CONFIG_PREFIX: (&str, &str) =
    ("CONFIG_PREFIX", "the prefix of the values' names, `/tidegate/APP/STAGE/`, slashes included");
const CONFIG_SOURCE: (&str, &str) = ("CONFIG_SOURCE", "`parameter-store` or `secrets-manager`, or remove it");
const RELEASES_TABLE: (&str, &str) = ("RELEASES_TABLE", "the name of the table of releases");
const RELEASE_STATUS_TABLE: (&str, &str) = ("RELEASE_STATUS_TABLE", "the name of the table of reports");
const RELEASES_BUCKET: (&str, &str) = ("RELEASES_BUCKET", "the name of the bucket of releases");
const RELEASES_DIR: (&str, &str) = ("RELEASES_DIR", "the folder of releases, or remove it if `RELEASES_TABLE` is set");
const MAX_STALENESS: (&str, &str) = ("MAX_STALENESS", "a time from 100ms to 30s, for example `2s`, or remove it");
/// The memory of the host itself, with the compiled code of an app, in MiB.
const HOST_MIB: usize = 64;
const ENDPOINT: &str = "an `http` or `https` URL, or remove it";
/// The variables that Lambda sets and `lambda_runtime` requires. The flag is true for a number.
const LAMBDA: [(&str, bool); 4] = [
    ("AWS_LAMBDA_RUNTIME_API", false),
    ("AWS_LAMBDA_FUNCTION_NAME", false),
    ("AWS_LAMBDA_FUNCTION_VERSION", false),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", true),
];

impl Environment {
    /// Reads the variables with `lookup`. An empty variable counts as missing.
    pub(crate) fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variables = Variables(lookup);
        variables.check_lambda()?;
        let function = match variables.required(FUNCTION)?.as_str() {
            "handler" => variables.handler()?,
            "authorizer" => Function::Authorizer,
            other => return Err(malformed(FUNCTION, other)),
        };
        Ok(Self {
            function,
            stage: variables.required(STAGE)?,
            package: variables.package()?,
            region: variables.of_lambda("AWS_REGION")?,
            credentials: Credentials {
                access_key_id: variables.of_lambda("AWS_ACCESS_KEY_ID")?,
                secret_access_key: variables.of_lambda("AWS_SECRET_ACCESS_KEY")?,
                session_token: variables.get("AWS_SESSION_TOKEN"),
            },
            endpoints: Endpoints {
                dynamodb: variables.endpoint("AWS_ENDPOINT_URL_DYNAMODB")?,
                s3: variables.endpoint("AWS_ENDPOINT_URL_S3")?,
                ssm: variables.endpoint("AWS_ENDPOINT_URL_SSM")?,
                secrets_manager: variables.endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER")?,
            },
            config_prefix: variables.config_prefix()?,
            config_source: variables.config_source()?,
            releases: variables.releases()?,
            poll_interval: variables.poll_interval()?,
            name: variables.name()?,
            xray_daemon: variables.get("AWS_XRAY_DAEMON_ADDRESS"),
            concurrency: variables.concurrency()?,
            guest_memory: variables.guest_memory()?,
        })
    }
}

impl Error {
    /// Returns the error for an app that is granted configuration values although no prefix is set.
    pub(crate) fn no_config_prefix() -> Self {
        Self::Missing { name: CONFIG_PREFIX.0, meaning: CONFIG_PREFIX.1 }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, (name, meaning): (&'static str, &'static str)) -> Result<String, Error> {
        self.get(name).ok_or(Error::Missing { name, meaning })
    }

    fn of_lambda(&self, name: &'static str) -> Result<String, Error> {
        self.get(name).ok_or(Error::NotOnLambda(name))
    }

    /// Checks the variables without which `lambda_runtime` panics.
    fn check_lambda(&self) -> Result<(), Error> {
        for (name, number) in LAMBDA {
            let value = self.of_lambda(name)?;
            if number && value.parse::<i32>().is_err() {
                return Err(malformed((name, "a number, as Lambda does"), &value));
            }
        }
        Ok(())
    }

    fn guest_memory(&self) -> Result<usize, Error> {
        let name = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
        let text = self.of_lambda(name)?;
        let mib: usize = text.parse().map_err(|_| malformed((name, "a number, as Lambda does"), &text))?;
        Ok(mib.saturating_sub(HOST_MIB).max(mib / 2).saturating_mul(1 << 20))
    }

    fn handler(&self) -> Result<Function, Error> {
        let url = self.required(CALLBACK_URL)?;
        if !is_http(&url) {
            return Err(malformed(CALLBACK_URL, &url));
        }
        let tables = Tables {
            connections: self.required(CONNECTIONS_TABLE)?,
            groups: self.required(GROUPS_TABLE)?,
            storage: self.required(STORAGE_TABLE)?,
        };
        Ok(Function::Handler { tables, callback_url: url.trim_end_matches('/').to_owned() })
    }

    fn package(&self) -> Result<PathBuf, Error> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
        let root = self.get("LAMBDA_TASK_ROOT").map(PathBuf::from);
        root.or_else(beside).ok_or(Error::NotOnLambda("LAMBDA_TASK_ROOT"))
    }

    fn endpoint(&self, own: &'static str) -> Result<Option<String>, Error> {
        for name in [own, "AWS_ENDPOINT_URL"] {
            match self.get(name) {
                Some(url) if !is_http(&url) => return Err(malformed((name, ENDPOINT), &url)),
                Some(url) => return Ok(Some(url)),
                None => {}
            }
        }
        Ok(None)
    }

    fn config_prefix(&self) -> Result<Option<String>, Error> {
        match self.get(CONFIG_PREFIX.0) {
            Some(prefix) if !(prefix.starts_with('/') && prefix.ends_with('/')) => {
                Err(malformed(CONFIG_PREFIX, &prefix))
            }
            prefix => Ok(prefix),
        }
    }

    fn config_source(&self) -> Result<ConfigSource, Error> {
        match self.get(CONFIG_SOURCE.0).as_deref() {
            None | Some("parameter-store") => Ok(ConfigSource::ParameterStore),
            Some("secrets-manager") => Ok(ConfigSource::SecretsManager),
            Some(other) => Err(malformed(CONFIG_SOURCE, other)),
        }
    }

    /// Reads the three variables of a store on AWS, or the one variable of a folder. Returns `None` if none is set.
    fn releases(&self) -> Result<Option<ReleaseSource>, Error> {
        let of_aws = [RELEASES_TABLE, RELEASE_STATUS_TABLE, RELEASES_BUCKET];
        let any = of_aws.iter().any(|(name, _)| self.get(name).is_some());
        match self.get(RELEASES_DIR.0) {
            Some(folder) if any => Err(malformed(RELEASES_DIR, &folder)),
            Some(folder) => Ok(Some(ReleaseSource::Folder(folder.into()))),
            None if any => {
                let tables = ReleaseTables {
                    releases: self.required(RELEASES_TABLE)?,
                    release_status: self.required(RELEASE_STATUS_TABLE)?,
                };
                Ok(Some(ReleaseSource::Aws { tables, bucket: self.required(RELEASES_BUCKET)? }))
            }
            None => Ok(None),
        }
    }

    fn poll_interval(&self) -> Result<Duration, Error> {
        let Some(text) = self.get(MAX_STALENESS.0) else { return Ok(rollout::POLL_INTERVAL) };
        let allowed = Duration::from_millis(100)..=rollout::MAX_AGE_BEFORE_EVENT;
        let staleness = duration(&text).filter(|staleness| allowed.contains(staleness));
        staleness.ok_or_else(|| malformed(MAX_STALENESS, &text))
    }

    fn name(&self) -> Result<String, Error> {
        let function = self.of_lambda("AWS_LAMBDA_FUNCTION_NAME")?;
        Ok(match self.get("AWS_LAMBDA_LOG_STREAM_NAME") {
            Some(stream) => format!("{function} {stream}"),
            None => function,
        })
    }

    fn concurrency(&self) -> Result<u32, Error> {
        const CONCURRENCY: (&str, &str) = ("AWS_LAMBDA_MAX_CONCURRENCY", "a number from 1, or remove it");
        match self.get(CONCURRENCY.0) {
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(malformed(CONCURRENCY, &text)),
            },
            None => Ok(1),
        }
    }
}

fn is_http(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace))
}

fn malformed((name, meaning): (&'static str, &'static str), value: &str) -> Error {
    Error::Malformed { name, value: value.to_owned(), meaning }
}

#[cfg(test)]
#[path = "environment/tests.rs"]
mod tests;
