//! Everything that the environment says, read once.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_app::limits::duration;
use tidegate_aws::{ConfigSource, ReleaseTables, Tables};
use tidegate_runtime::rollout;

/// The environment of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Which function this is.
    pub(crate) function: Function,
    /// `STAGE`: a dimension of the metrics.
    pub(crate) stage: String,
    /// `LAMBDA_TASK_ROOT`, or the folder of this binary: where the release is.
    pub(crate) package: PathBuf,
    /// `AWS_REGION`.
    pub(crate) region: String,
    /// The role's credentials.
    pub(crate) credentials: Credentials,
    /// Where AWS is, when it is elsewhere.
    pub(crate) endpoints: Endpoints,
    /// `CONFIG_PREFIX`: what the names of the app's configuration values begin with.
    pub(crate) config_prefix: Option<String>,
    /// `CONFIG_SOURCE`: where they are; Parameter Store unless it says otherwise.
    pub(crate) config_source: ConfigSource,
    /// Where releases are published; none when only the package's runs.
    pub(crate) releases: Option<Published>,
    /// `MAX_STALENESS`: how old the reading of the pointer may be before an event renews it, such as `2s`.
    pub(crate) poll_interval: Duration,
    /// `AWS_LAMBDA_FUNCTION_NAME` and `AWS_LAMBDA_LOG_STREAM_NAME`: how this process is found in the logs.
    pub(crate) name: String,
    /// `AWS_XRAY_DAEMON_ADDRESS`: where traces are sent.
    pub(crate) xray_daemon: Option<String>,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`: how many events Lambda gives at a time; 1 unless it says otherwise.
    pub(crate) concurrency: u32,
}

/// Which of an app's functions this is: `TIDEGATE_FUNCTION`.
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

/// Where releases are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// `RELEASES_TABLE`, `RELEASE_STATUS_TABLE`, `RELEASES_BUCKET`.
    Aws {
        /// The tables.
        tables: ReleaseTables,
        /// The bucket.
        bucket: String,
    },
    /// `RELEASES_DIR`: a folder, on one machine or a file system that functions share.
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

/// What is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A variable that Lambda sets is not there.
    #[error(
        "`{0}` is not set, which Lambda does; hint: this program is a Lambda function's `bootstrap`, and `tidegate dev` runs \
         an app on this machine"
    )]
    NotOnLambda(&'static str),
    /// A variable of the function is not there.
    #[error("the environment variable `{name}` is not set; hint: set it to {meaning}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// What it should be.
        meaning: &'static str,
    },
    /// A variable is not what it must be.
    #[error("the environment variable `{name}` is `{value}`; hint: set it to {meaning}")]
    Malformed {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        meaning: &'static str,
    },
}

const FUNCTION: (&str, &str) = ("TIDEGATE_FUNCTION", "`handler` or `authorizer`");
const STAGE: (&str, &str) = ("STAGE", "the name of the API's stage, such as `dev`");
const CONNECTIONS_TABLE: (&str, &str) = ("CONNECTIONS_TABLE", "the name of the table of connections");
const GROUPS_TABLE: (&str, &str) = ("GROUPS_TABLE", "the name of the table of groups");
const STORAGE_TABLE: (&str, &str) = ("STORAGE_TABLE", "the name of the table of documents");
const CALLBACK_URL: (&str, &str) =
    ("API_GATEWAY_URL", "the stage's callback URL, `https://API.execute-api.REGION.amazonaws.com/STAGE`");
const CONFIG_PREFIX: (&str, &str) =
    ("CONFIG_PREFIX", "what the values' names begin with, `/tidegate/APP/STAGE/`, slashes included");
const CONFIG_SOURCE: (&str, &str) = ("CONFIG_SOURCE", "`parameter-store` or `secrets-manager`, or not at all");
const RELEASES_TABLE: (&str, &str) = ("RELEASES_TABLE", "the name of the table of releases");
const RELEASE_STATUS_TABLE: (&str, &str) = ("RELEASE_STATUS_TABLE", "the name of the table of what hosts report");
const RELEASES_BUCKET: (&str, &str) = ("RELEASES_BUCKET", "the name of the bucket of releases");
const RELEASES_DIR: (&str, &str) =
    ("RELEASES_DIR", "the folder of releases, or not at all where `RELEASES_TABLE` says where they are");
const MAX_STALENESS: (&str, &str) = ("MAX_STALENESS", "a time from 100ms to 30s, such as `2s`, or not at all");
const ENDPOINT: &str = "an `http` or `https` URL, or not at all";
/// Lambda's own, which `lambda_runtime` takes for granted, and whether each is a number.
const LAMBDA: [(&str, bool); 4] = [
    ("AWS_LAMBDA_RUNTIME_API", false),
    ("AWS_LAMBDA_FUNCTION_NAME", false),
    ("AWS_LAMBDA_FUNCTION_VERSION", false),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", true),
];

impl Environment {
    /// Reads what `lookup` knows. A variable that is empty counts as not set.
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
        })
    }
}

impl Error {
    /// That a configuration value is granted, and nothing says where the values are.
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

    /// What `lambda_runtime` would panic about.
    fn check_lambda(&self) -> Result<(), Error> {
        for (name, number) in LAMBDA {
            let value = self.of_lambda(name)?;
            if number && value.parse::<i32>().is_err() {
                return Err(malformed((name, "a number, as Lambda does"), &value));
            }
        }
        Ok(())
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

    /// All of the three on AWS, or a folder, or nothing.
    fn releases(&self) -> Result<Option<Published>, Error> {
        let of_aws = [RELEASES_TABLE, RELEASE_STATUS_TABLE, RELEASES_BUCKET];
        let any = of_aws.iter().any(|(name, _)| self.get(name).is_some());
        match self.get(RELEASES_DIR.0) {
            Some(folder) if any => Err(malformed(RELEASES_DIR, &folder)),
            Some(folder) => Ok(Some(Published::Folder(folder.into()))),
            None if any => {
                let tables = ReleaseTables {
                    releases: self.required(RELEASES_TABLE)?,
                    release_status: self.required(RELEASE_STATUS_TABLE)?,
                };
                Ok(Some(Published::Aws { tables, bucket: self.required(RELEASES_BUCKET)? }))
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
        const CONCURRENCY: (&str, &str) = ("AWS_LAMBDA_MAX_CONCURRENCY", "a number from 1, or not at all");
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
