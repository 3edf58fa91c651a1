//! The arguments of `tidegate release`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use clap::{Args, Subcommand};
use tidegate_release::rollout::{ErrorRate, TrafficWeight};

use super::{App, value};

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Build the app for every CPU, sign it, and publish it as a release. The release does not run until it is
    /// activated.
    Create(Create),
    /// List the published releases.
    List(StoreArgs),
    /// Show the components, grants, limits and signatures of a release.
    Show(Show),
    /// Show the differences between two releases, and the new grants of the second.
    Diff(Diff),
    /// Run a release for every connection.
    Activate(Activate),
    /// Run a release for a percentage of the connections.
    Canary(Canary),
    /// Run the canary for every connection.
    Promote(RolloutArgs),
    /// End the canary. Without a canary, run the release that was active before.
    Rollback(RolloutArgs),
    /// Show the active release, the counts of the canary, and the reports of the hosts.
    Status(StoreArgs),
    /// Show the changes of the rollout with their operator, time and reason, the newest first.
    History(History),
    /// Remove the releases that are no longer needed.
    Prune(Prune),
}

impl Release {
    /// Returns true if the command prints JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Create(args) => args.json,
            Self::List(args) | Self::Status(args) => args.json,
            Self::Show(args) => args.store.json,
            Self::Diff(args) => args.store.json,
            Self::Activate(args) => args.store.json,
            Self::Canary(args) => args.store.json,
            Self::Promote(args) | Self::Rollback(args) => args.store.json,
            Self::History(args) => args.store.json,
            Self::Prune(args) => args.store.json,
        }
    }
}

/// The app, its store of releases, and the output format.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The folder of the app, which contains `tidegate.toml`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
    #[command(flatten)]
    pub(crate) location: StoreLocation,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A folder of releases, or a deployed stage.
#[derive(Debug, Args)]
pub(crate) struct StoreLocation {
    /// The folder of the releases. [default: .tidegate/releases in the app's folder]
    #[arg(long, value_name = "DIR", conflicts_with = "stage")]
    pub(crate) store: Option<PathBuf>,
    /// A deployed stage on AWS, instead of a folder.
    #[arg(long, value_parser = value::stage)]
    pub(crate) stage: Option<String>,
    /// A profile of the AWS configuration files. [default: $AWS_PROFILE, or `default`]
    #[arg(long, requires = "stage")]
    pub(crate) profile: Option<String>,
    /// The AWS Region. [default: $AWS_REGION, or the Region of the profile]
    #[arg(long, requires = "stage")]
    pub(crate) region: Option<String>,
    /// The stage whose keys the hosts of a folder trust.
    #[arg(long, value_name = "STAGE", value_parser = value::stage, default_value = "dev", conflicts_with = "stage")]
    pub(crate) trust: String,
}

/// The arguments of `tidegate release create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) app: App,
    /// The file of a private key, as `tidegate keys new` writes it. The environment variable contains the text of the
    /// key instead. Each `--key` adds a signature.
    // The text of a key begins with hyphens. Without `allow_hyphen_values`, an error would quote it.
    #[arg(long = "key", value_name = "FILE", env = "TIDEGATE_SIGNING_KEY", hide_env_values = true)]
    #[arg(allow_hyphen_values = true, value_parser = clap::builder::OsStringValueParser::new().map(SigningKey::from))]
    pub(crate) keys: Vec<SigningKey>,
    #[command(flatten)]
    pub(crate) location: StoreLocation,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `tidegate release show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The release: at least 4 digits of its id, `active` or `canary`.
    pub(crate) release: ReleaseRef,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The arguments of `tidegate release diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older release: at least 4 digits of its id, `active`, `canary`, or `deployed` for the deployed app.
    pub(crate) old: ReleaseRef,
    /// The newer release, in the same form.
    pub(crate) new: ReleaseRef,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The arguments of `tidegate release activate`.
#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// The release: at least 4 digits of its id, or `canary`.
    pub(crate) release: ReleaseRef,
    /// Allow grants that the active release does not have.
    #[arg(long)]
    pub(crate) allow_new_grants: bool,
    #[command(flatten)]
    pub(crate) reason: ReasonArg,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The arguments of `tidegate release canary`.
#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// The release: at least 4 digits of its id, or `canary`.
    pub(crate) release: ReleaseRef,
    /// The percentage of the connections, from 0.01 to 100.
    #[arg(long, value_name = "N")]
    pub(crate) percent: TrafficWeight,
    /// The percentage points by which the canary may fail for more of its connections than the active release, on one
    /// route within an hour. More halts the canary. [default: 5, or the current limit of a running canary]
    #[arg(long, value_name = "PERCENT", conflicts_with = "error_budget")]
    pub(crate) error_rate: Option<ErrorRate>,
    /// The number of its events that can fail, on all hosts together, instead of a rate. One more failure halts the
    /// canary.
    #[arg(long, value_name = "N")]
    pub(crate) error_budget: Option<u64>,
    /// Count failures from zero again, and continue after a halt.
    #[arg(long)]
    pub(crate) restart: bool,
    /// Allow grants that the active release does not have.
    #[arg(long)]
    pub(crate) allow_new_grants: bool,
    #[command(flatten)]
    pub(crate) reason: ReasonArg,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The arguments of `tidegate release promote` and `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(flatten)]
    pub(crate) reason: ReasonArg,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The reason for a change.
#[derive(Debug, Args)]
pub(crate) struct ReasonArg {
    /// The reason for the change, which the history keeps.
    #[arg(long, value_name = "TEXT", value_parser = value::reason)]
    pub(crate) reason: Option<String>,
}

/// The arguments of `tidegate release history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The number of changes to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The arguments of `tidegate release prune`.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Keep the releases of the last N changes, and at least N of the releases that ran last.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) keep: usize,
    /// Keep the releases that are younger than this, for example `30m`, `1h` or `7d`.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::age)]
    pub(crate) min_age: Duration,
    /// Print the releases that would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) reason: ReasonArg,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// A reference to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReleaseRef {
    /// The active release.
    Active,
    /// The release of the canary.
    Canary,
    /// The app that the hosts were deployed with.
    Deployed,
    /// The first hexadecimal digits of a release id.
    Digits(String),
}

impl FromStr for ReleaseRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text {
            "active" => Ok(Self::Active),
            "canary" => Ok(Self::Canary),
            "deployed" => Ok(Self::Deployed),
            digits if (4..=16).contains(&digits.len()) && digits.bytes().all(is_digit) => {
                Ok(Self::Digits(digits.to_owned()))
            }
            _ => Err("expected 4 to 16 hexadecimal digits, `active`, `canary` or `deployed`".to_owned()),
        }
    }
}

/// A private key, or the path of its file. The value is never shown: a key in the wrong form looks like a path.
#[derive(Clone)]
pub(crate) struct SigningKey(pub(crate) OsString);

impl From<OsString> for SigningKey {
    fn from(value: OsString) -> Self {
        Self(value)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a private key or its path")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_references_are_digits_or_words() {
        assert_eq!("active".parse(), Ok(ReleaseRef::Active));
        assert_eq!("00af".parse(), Ok(ReleaseRef::Digits("00af".to_owned())));
        for wrong in ["", "abc", "ABCD", "0123456789abcdef0", "act", "Active", "wxyz"] {
            assert!(wrong.parse::<ReleaseRef>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn private_keys_are_not_shown() {
        let key = SigningKey::from(OsString::from("secret"));
        assert!(!format!("{key:?}").contains("secret"));
    }
}
