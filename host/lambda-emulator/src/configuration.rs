//! The configuration of a function, and the environment of its processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use tracing::level_filters::LevelFilter;

/// The configuration of a function.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The function's name.
    pub name: String,
    /// The Region in the function's environment and ARN.
    pub region: String,
    /// The account in the function's ARN.
    pub account: String,
    /// The path of the program. On Lambda, the program is called `bootstrap`.
    pub bootstrap: PathBuf,
    /// A program and its arguments. The program must `exec` the bootstrap, whose path is added as the last argument. If
    /// empty, the bootstrap is started directly.
    pub through: Vec<OsString>,
    /// The folder of the function's package.
    pub task_root: PathBuf,
    /// The memory size in the function's environment, in megabytes. It is not enforced.
    pub memory: u32,
    /// The timeout of an event, including its post-response phase.
    pub timeout: Duration,
    /// The configured environment variables.
    pub variables: BTreeMap<String, String>,
    /// The credentials of the function's role. [`Aws`](crate::Aws) rejects all others.
    pub credentials: Credentials,
    /// True if processes are stopped between events, as on Lambda. A stopped process loses its idle connections.
    pub freeze: bool,
}

impl Configuration {
    /// Returns the ARN of the function.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { name, region, account, .. } = self;
        format!("arn:aws:lambda:{region}:{account}:function:{name}")
    }

    /// Returns the environment of one process: the configured variables, Lambda's variables, and the AWS endpoint.
    /// `runtime_api` is the value of `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// Lambda's library path and its X-Ray daemon are omitted, because the local machine has neither. The log level is
    /// the level of the emulator, so the function writes no lines that would be dropped here.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
    pub(crate) fn environment(&self, runtime_api: &str, aws: SocketAddr) -> BTreeMap<String, String> {
        let Self { name, region, credentials, .. } = self;
        let mut environment = self.variables.clone();
        let reserved = [
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id().to_owned()),
            ("AWS_DEFAULT_REGION", region.clone()),
            ("AWS_ENDPOINT_URL", format!("http://{aws}")),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.memory.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_LEVEL", log_level().to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "[$LATEST]local".to_owned()),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
            ("AWS_REGION", region.clone()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key().to_owned()),
            ("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default().to_owned()),
            ("LAMBDA_TASK_ROOT", self.task_root.display().to_string()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
        ];
        environment.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

/// Returns the most detailed log level of the emulator, by Lambda's name for it.
fn log_level() -> &'static str {
    match LevelFilter::current() {
        LevelFilter::TRACE => "TRACE",
        LevelFilter::DEBUG => "DEBUG",
        LevelFilter::INFO => "INFO",
        LevelFilter::WARN => "WARN",
        _ => "ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_do_not_inherit_the_environment() {
        let configuration = Configuration {
            name: "chat-dev-handler".to_owned(),
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            bootstrap: "bootstrap".into(),
            through: Vec::new(),
            task_root: "task".into(),
            memory: 512,
            timeout: Duration::from_secs(29),
            variables: [("STAGE".to_owned(), "dev".to_owned())].into(),
            credentials: Credentials::new("ASIA", "hidden", Some("token".to_owned()), None, "test"),
            freeze: false,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let environment = configuration.environment("http://127.0.0.1:9001/path", address);
        assert_eq!(environment["STAGE"], "dev");
        assert_eq!(environment["AWS_LAMBDA_RUNTIME_API"], "http://127.0.0.1:9001/path");
        assert_eq!(environment["AWS_SESSION_TOKEN"], "token");
        assert!(!format!("{configuration:?}").contains("hidden"), "the debug text has no secret");
        assert!(!environment.contains_key("HOME"));
        assert_eq!(configuration.arn(), "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-handler");
    }
}
