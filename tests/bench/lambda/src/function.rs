//! The functions and their commands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::published::{BUCKET, STATUS};

/// A function: a program that requests events from the Runtime API.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function in the report.
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Variables that only this function has.
    variables: Vec<(&'static str, &'static str)>,
    /// Value of `LAMBDA_TASK_ROOT`, and the working directory.
    root: PathBuf,
}

/// Environment of every function: the variables of Lambda and of the stack, without addresses.
const ENVIRONMENT: [(&str, &str); 18] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "chat"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_DEFAULT_REGION", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_SESSION_TOKEN", "token"),
    ("LANG", "en_US.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    // The app's variables.
    ("STAGE", "bench"),
    ("CONNECTIONS_TABLE", "connections"),
    ("GROUPS_TABLE", "groups"),
    ("STORAGE_TABLE", "storage"),
    ("CONFIG_PREFIX", "/tidegate/chat/bench/"),
];

/// Files with the root certificates in Lambda's image, in Debian, and in other systems.
const CERTIFICATES: [&str; 3] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

impl Function {
    /// Returns Tidegate's host in the folder of its unpacked package.
    #[must_use]
    pub fn tidegate(package: &Path) -> Self {
        let program = package.join("bootstrap");
        let root = package.to_owned();
        Self { name: "tidegate", program, arguments: Vec::new(), variables: Vec::new(), root }
    }

    /// Returns Tidegate's host with a release store whose rollout state is in this table.
    #[must_use]
    pub fn following(name: &'static str, package: &Path, table: &'static str) -> Self {
        let variables = vec![("RELEASES_TABLE", table), ("RELEASE_STATUS_TABLE", STATUS), ("RELEASES_BUCKET", BUCKET)];
        Self { name, variables, ..Self::tidegate(package) }
    }

    /// Returns a native handler.
    #[must_use]
    pub fn native(name: &'static str, program: &Path) -> Self {
        let root = program.parent().unwrap_or(Path::new("/")).to_owned();
        Self { name, program: program.to_owned(), arguments: Vec::new(), variables: Vec::new(), root }
    }

    /// Returns the Python handler in `app.py` of a folder, with the command of Lambda's Python image.
    #[must_use]
    pub fn python(interpreter: &Path, folder: &Path) -> Self {
        Self {
            name: "python",
            program: interpreter.to_owned(),
            arguments: ["-m", "awslambdaric", "app.handler"].map(OsString::from).to_vec(),
            variables: Vec::new(),
            root: folder.to_owned(),
        }
    }

    /// Returns the command, with the addresses of the Runtime API and of AWS.
    #[must_use]
    pub fn command(&self, runtime_api: &str, aws: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(&self.root)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(self.variables.iter().copied())
            .env("TIDEGATE_FUNCTION", "handler")
            .env("LAMBDA_TASK_ROOT", &self.root)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_ENDPOINT_URL", aws)
            .env("API_GATEWAY_URL", format!("{aws}/bench"))
            .kill_on_drop(true);
        // Unlike Lambda's image, some machines also have the certificates as hundreds of separate files. Reading those
        // would take up most of the native handler's start.
        if let Some(file) = CERTIFICATES.into_iter().find(|file| Path::new(file).exists()) {
            command.env("SSL_CERT_FILE", file);
        }
        command
    }
}
