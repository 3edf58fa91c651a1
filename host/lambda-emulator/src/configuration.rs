//! What a function is, and the environment of its processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// What a function is.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The function's name.
    pub name: String,
    /// The Region that it seems to run in.
    pub region: String,
    /// The account that it seems to belong to.
    pub account: String,
    /// The program that runs: Lambda's `bootstrap`.
    pub bootstrap: PathBuf,
    /// A program with its arguments that becomes the bootstrap, whose path is its last argument; empty starts the bootstrap
    /// itself.
    pub through: Vec<OsString>,
    /// The folder of the function's package.
    pub task_root: PathBuf,
    /// The memory that the function is told to have, in megabytes; nothing holds it to that.
    pub memory: u32,
    /// How long an event may take, its post-response phase included.
    pub timeout: Duration,
    /// The environment that the function is configured with.
    pub variables: BTreeMap<String, String>,
    /// What its requests are signed with; [`Aws`](crate::Aws) answers no others.
    pub access_key_id: String,
    /// Whether processes are stopped between events, as Lambda stops them, and lose the connections that they keep.
    pub freeze: bool,
}

impl Configuration {
    /// The function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { name, region, account, .. } = self;
        format!("arn:aws:lambda:{region}:{account}:function:{name}")
    }

    /// The environment of one process: what the function is configured with, what Lambda sets, and where AWS is.
    ///
    /// Lambda's library path and its X-Ray daemon are left out: there is no such place on this machine. The level of the
    /// log is this process's own, so that nothing is written to be dropped here.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
    pub(crate) fn environment(&self, runtime_api: SocketAddr, aws: SocketAddr) -> BTreeMap<String, String> {
        let Self { name, region, .. } = self;
        let mut environment = self.variables.clone();
        let lambdas = [
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
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
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
            ("AWS_REGION", region.clone()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", "local".to_owned()),
            ("LAMBDA_TASK_ROOT", self.task_root.display().to_string()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
        ];
        environment.extend(lambdas.map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

/// The most detailed level that this process logs, as Lambda names it.
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
    fn a_process_is_given_nothing_of_this_one() {
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
            access_key_id: "AKIA".to_owned(),
            freeze: false,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let environment = configuration.environment(address, address);
        assert_eq!(environment["STAGE"], "dev");
        assert_eq!(environment["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
        assert!(!environment.contains_key("HOME"));
        assert_eq!(configuration.arn(), "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-handler");
    }
}
