//! The functions, and how each is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::published::{BUCKET, STATUS};

/// A function: a program that asks the Runtime API for events.
#[derive(Debug, Clone)]
pub struct Function {
    /// What it is called in the report.
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    /// What it has in its environment beside the others.
    variables: Vec<(&'static str, &'static str)>,
    /// `LAMBDA_TASK_ROOT`, and where it is started.
    root: PathBuf,
}

/// What Lambda sets for every function, as the stack of the app has it, less what is an address.
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
    // The app's own.
    ("STAGE", "bench"),
    ("CONNECTIONS_TABLE", "connections"),
    ("GROUPS_TABLE", "groups"),
    ("STORAGE_TABLE", "storage"),
    ("CONFIG_PREFIX", "/tidegate/chat/bench/"),
];

/// Where root certificates are in one file: in Lambda's image, in Debian, and elsewhere.
const CERTIFICATES: [&str; 3] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

impl Function {
    /// Tidegate's host in a folder where its package is unpacked.
    #[must_use]
    pub fn tidegate(package: &Path) -> Self {
        let program = package.join("bootstrap");
        let root = package.to_owned();
        Self { name: "tidegate", program, arguments: Vec::new(), variables: Vec::new(), root }
    }

    /// The same, following the releases whose pointer is in this table.
    #[must_use]
    pub fn following(name: &'static str, package: &Path, table: &'static str) -> Self {
        let variables = vec![("RELEASES_TABLE", table), ("RELEASE_STATUS_TABLE", STATUS), ("RELEASES_BUCKET", BUCKET)];
        Self { name, variables, ..Self::tidegate(package) }
    }

    /// A native handler.
    #[must_use]
    pub fn native(name: &'static str, program: &Path) -> Self {
        let root = program.parent().unwrap_or(Path::new("/")).to_owned();
        Self { name, program: program.to_owned(), arguments: Vec::new(), variables: Vec::new(), root }
    }

    /// The Python handler in `app.py` of a folder, as Lambda's Python image starts it.
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

    /// The command that starts it, with the addresses of the Runtime API and of AWS.
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
        // A machine may have them a second time, as hundreds of files, which Lambda's image has not: reading those would be
        // most of the native handler's start.
        if let Some(file) = CERTIFICATES.into_iter().find(|file| Path::new(file).exists()) {
            command.env("SSL_CERT_FILE", file);
        }
        command
    }
}
