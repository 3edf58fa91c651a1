//! The command line, as clap parses it.
//!
//! - `release`: that of `tidegate release`

mod release;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_app::MAX_NAME_BYTES;
use tidegate_compile::Triple;

pub(crate) use release::*;

/// Tidegate: WebSocket routes as WebAssembly components, on this machine as on AWS.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the app and run it on this machine: gateway, host and DynamoDB in one process, or the host as on Lambda.
    Dev(Dev),
    /// Build the app's components and compile them for this machine.
    Build(App),
    /// Check the manifest, the components' imports against their grants, and the limits.
    Check(App),
    /// Make the zip of a Lambda function: the app's components and the host, for one CPU.
    Package(Package),
    /// Run one route on one event, and print its response.
    Invoke(Invoke),
    /// Print a token for the app's authorizer, signed with its `jwt-secret`.
    Token(Token),
    /// Publish releases, and say which one runs: on this machine, or on a deployed stage.
    #[command(subcommand)]
    Release(Release),
    /// Make the keys that sign releases.
    #[command(subcommand)]
    Keys(Keys),
    /// Become a program that ends with the command that starts this: how `dev --lambda` starts the bootstrap.
    #[command(hide = true)]
    Tether(Tether),
}

/// Which app.
#[derive(Debug, Args)]
pub(crate) struct App {
    /// The app's folder, where `tidegate.toml` is.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// `tidegate dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Which app.
    #[command(flatten)]
    pub(crate) app: App,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The stage's name, the first segment of the URL's path.
    #[arg(long, default_value = "dev", value_parser = stage)]
    pub(crate) stage: String,
    /// Refuse what is above AWS's default account rates: 500 new connections and 10,000 requests a second.
    #[arg(long)]
    pub(crate) throttle: bool,
    /// Keep tables in memory only; they are gone when the process ends.
    #[arg(long, conflicts_with = "data")]
    pub(crate) memory: bool,
    /// Keep tables in this folder. [default: .tidegate/data in the app's folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Run the routes as on Lambda: in the real bootstrap, a process for each event at a time.
    #[arg(long)]
    pub(crate) lambda: bool,
    /// Stop each process between its events, as Lambda does, and close the connections that it keeps.
    #[arg(long, requires = "lambda")]
    pub(crate) freeze: bool,
    /// Follow the releases in this folder instead of the sources. [default: .tidegate/releases in the app's folder]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(crate) releases: Option<Option<PathBuf>>,
    /// The bootstrap, built for this machine. [default: `bootstrap` beside this program]
    #[arg(long, value_name = "FILE", requires = "lambda")]
    pub(crate) bootstrap: Option<PathBuf>,
}

/// `tidegate package`.
#[derive(Debug, Args)]
pub(crate) struct Package {
    /// Which app.
    #[command(flatten)]
    pub(crate) app: App,
    /// The CPU of the function: Lambda's arm64 or its x86_64.
    #[arg(long, value_enum, default_value_t = Cpu::Aarch64)]
    pub(crate) target: Cpu,
    /// Where the zip is written. [default: .tidegate/APP-TARGET.zip in the app's folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A bootstrap that was built for the target. [default: built here, from Tidegate's sources]
    #[arg(long, value_name = "FILE")]
    pub(crate) bootstrap: Option<PathBuf>,
}

/// A CPU that Lambda has.
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

/// `tidegate invoke`.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The route key, such as `chat` or `$connect`; `authorizer` for the authorizer.
    pub(crate) route: String,
    /// A file with an API Gateway event (JSON); `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: PathBuf,
    /// The app's folder, where `tidegate.toml` is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
}

/// `tidegate token`.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The user: the token's `sub`, which becomes the connection's principal.
    pub(crate) user: String,
    /// The app's folder, where `tidegate.toml` is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
    /// How long the token is valid, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3_600)]
    pub(crate) expires_in: u64,
}

/// `tidegate keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key: its private half in a file, its public half, for `tidegate.toml`, on standard output.
    New(KeysNew),
}

/// `tidegate keys new`.
#[derive(Debug, Args)]
pub(crate) struct KeysNew {
    /// How `tidegate.toml` names the key: `[keys.NAME]`.
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The private key's file. [default: tidegate/keys/NAME.pem in $XDG_CONFIG_HOME, or in ~/.config]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tidegate tether`.
#[derive(Debug, Args)]
pub(crate) struct Tether {
    /// The process id of the command.
    pub(crate) parent: i32,
    /// The program.
    pub(crate) program: PathBuf,
}

/// A stage's name: API Gateway allows letters, digits, hyphens and underscores, at most 128.
fn stage(text: &str) -> Result<String, String> {
    word(text, "stage", 128)
}

/// A key's name.
fn name(text: &str) -> Result<String, String> {
    word(text, "name", MAX_NAME_BYTES)
}

fn word(text: &str, what: &str, most: usize) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > most || !text.chars().all(allowed) {
        return Err(format!("a {what} has 1 to {most} letters, digits, hyphens and underscores"));
    }
    Ok(text.to_owned())
}
