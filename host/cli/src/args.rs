//! The command line, as clap parses it.
//!
//! - `release`: the arguments of `tidegate release`
//! - `reference`: the page about the command line
//! - `value`: the parsers of values

#[cfg(test)]
mod reference;
mod release;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_compile::Triple;
use tidegate_local_access::{HostPattern, Origin};

pub(crate) use release::*;

use crate::ui::{secret, terminal};

/// Tidegate runs WebSocket routes as WebAssembly components, on this machine and on AWS.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the app and run it on this machine.
    ///
    /// The gateway, DynamoDB and the routes run in one process. With `--lambda`, the routes run as on Lambda, in
    /// processes of their own. The command rebuilds the app after its files have changed, and swaps the release without
    /// closing a socket.
    Dev(Dev),
    /// Build the components of the app, and compile them for this machine.
    Build(App),
    /// Build the app, and check the manifest, the imports of the components and the limits.
    Check(App),
    /// Write the zip file of a Lambda function: the host and the components of the app, for one CPU.
    Package(Package),
    /// Run one route on one event, and print its response.
    ///
    /// The tables are empty, and no socket is open. The exit code is 1 if the response is a function error.
    Invoke(Invoke),
    /// Print the environment of programs that call the `@connections` of a running `tidegate dev`.
    ///
    /// The keys are made for each run, and are valid until it ends. `eval "$(tidegate env)"` sets the variables in a
    /// shell, and the clients of AWS SDKs for `apigatewaymanagementapi` then need no further configuration.
    Env(Env),
    /// Print a JSON Web Token for the authorizer of the app, signed with the configuration value `jwt-secret`.
    Token(Token),
    /// Publish releases, and choose the release that runs, on this machine or on a deployed stage.
    #[command(subcommand)]
    Release(Release),
    /// Create keys that sign releases.
    #[command(subcommand)]
    Keys(Keys),
    /// Run a program that ends with its parent. `dev --lambda` starts the bootstrap with this command.
    #[command(hide = true)]
    Tether(Tether),
}

/// Prints the help, or the reason why the arguments cannot be parsed, without private keys. An argument in the wrong
/// place may be one.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    match secret::redact(&text) {
        Cow::Owned(redacted) => terminal::message(redacted.trim_end()),
        // A closed output cannot be reported anywhere.
        Cow::Borrowed(_) => _ = error.print(),
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

impl Command {
    /// Returns true if the command prints JSON, its errors included.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Release(command) => command.json(),
            Self::Keys(Keys::New(args)) => args.json,
            Self::Env(args) => args.json,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct App {
    /// The folder of the app, which contains `tidegate.toml`.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// The arguments of `tidegate dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) app: App,
    /// The port to listen on. 0 takes a free port.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// Accept requests whose `Host` is this name or address. A dot before a name accepts every name below it. Can be
    /// repeated. Without it, `localhost`, names below it, `127.0.0.0/8`, `[::1]` and the address of `--host` are
    /// accepted.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allow_hosts: Vec<HostPattern>,
    /// Accept sockets and requests of the pages of this origin, for example `https://tide.example.com`. Can be
    /// repeated. Without it, the sockets of pages with a loopback origin are accepted, and of no other page.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<Origin>,
    /// The name of the stage, which is the first segment of the URL's path.
    #[arg(long, default_value = "dev", value_parser = value::stage)]
    pub(crate) stage: String,
    /// Apply the default rates of an AWS account: 500 new connections and 10,000 requests a second.
    #[arg(long)]
    pub(crate) throttle: bool,
    /// Keep the tables in memory. They are lost when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub(crate) memory: bool,
    /// The folder of the tables. [default: .tidegate/data in the app's folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Run the routes as on Lambda: in the real bootstrap, with one process for each concurrent event.
    #[arg(long)]
    pub(crate) lambda: bool,
    /// Stop each process between events, as Lambda does, and close its idle connections.
    #[arg(long, requires = "lambda")]
    pub(crate) freeze: bool,
    /// Follow the releases in a folder instead of the sources. [default: .tidegate/releases in the app's folder]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(crate) releases: Option<Option<PathBuf>>,
    /// The memory that guests, sockets and waiting messages may use together, from 64MiB: an integer followed by KiB,
    /// MiB or GiB. Events and messages that do not fit are refused. [default: half of the memory of the machine or of
    /// the container]
    #[arg(long, value_name = "SIZE", value_parser = value::memory)]
    pub(crate) memory_budget: Option<u64>,
    /// A bootstrap for this machine. [default: `bootstrap` beside this program]
    #[arg(long, value_name = "FILE", requires = "lambda")]
    pub(crate) bootstrap: Option<PathBuf>,
}

/// The arguments of `tidegate package`.
#[derive(Debug, Args)]
pub(crate) struct Package {
    #[command(flatten)]
    pub(crate) app: App,
    /// The CPU of the function.
    #[arg(long, value_enum, default_value_t = Cpu::Aarch64)]
    pub(crate) target: Cpu,
    /// The zip file to write. [default: .tidegate/APP-TARGET.zip in the app's folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A bootstrap for the target. [default: built from Tidegate's sources]
    #[arg(long, value_name = "FILE")]
    pub(crate) bootstrap: Option<PathBuf>,
}

/// A CPU of Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cpu {
    /// Lambda's arm64.
    Aarch64,
    /// Lambda's x86_64.
    #[value(name = "x86_64")]
    X86_64,
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        })
    }
}

impl From<Cpu> for Triple {
    fn from(cpu: Cpu) -> Self {
        match cpu {
            Cpu::Aarch64 => Self::Aarch64Linux,
            Cpu::X86_64 => Self::X86_64Linux,
        }
    }
}

/// The arguments of `tidegate invoke`.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The route key, for example `chat` or `$connect`. `authorizer` runs the authorizer.
    pub(crate) route: String,
    /// A file with an API Gateway event in JSON. `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,
    /// The folder of the app, which contains `tidegate.toml`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
}

/// The arguments of `tidegate env`.
#[derive(Debug, Args)]
pub(crate) struct Env {
    #[command(flatten)]
    pub(crate) app: App,
    /// The port of the running `tidegate dev`, if several run for the app.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `tidegate token`.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The user. It is the `sub` claim, which becomes the principal of the connection.
    pub(crate) user: String,
    /// The folder of the app, which contains `tidegate.toml`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
    /// The lifetime of the token, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3_600)]
    pub(crate) expires_in: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Create a key pair. Writes the private key to a file, and prints the entry of the public key for `tidegate.toml`.
    New(KeysNew),
}

/// The arguments of `tidegate keys new`.
#[derive(Debug, Args)]
pub(crate) struct KeysNew {
    /// The name of the key in `tidegate.toml`: `[keys.NAME]`.
    #[arg(value_parser = value::key_name)]
    pub(crate) name: String,
    /// The file of the private key. [default: tidegate/keys/NAME.pem in $XDG_CONFIG_HOME, or in ~/.config]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `tidegate tether`.
#[derive(Debug, Args)]
pub(crate) struct Tether {
    /// The process id of the parent.
    pub(crate) parent: i32,
    /// The program to run.
    pub(crate) program: PathBuf,
}
