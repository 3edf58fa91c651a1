//! The command line of `tidegate release`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use std::{convert::Infallible, fmt};

use clap::{Args, Subcommand};
use tidegate_release::rollout::TrafficWeight;
use tidegate_release::store::MAX_REASON_BYTES;

use super::{App, stage};

/// `tidegate release`.
#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Build the app, compile it for every CPU, sign it, and publish it; it runs nowhere until it is activated.
    Create(Create),
    /// List the releases that are published.
    List(Anywhere),
    /// Show one release: what it is made of, what it may do, and who signed it.
    Show(Show),
    /// Show what differs between two releases, and what the second newly asks for.
    Diff(Diff),
    /// Run a release for every connection.
    Activate(Activate),
    /// Run a release for a share of the connections.
    Canary(Canary),
    /// Run the canary for every connection.
    Promote(Move),
    /// End the canary; without one, go back to the release that was active before.
    Rollback(Move),
    /// Show which release runs, how the canary does, and what hosts report.
    Status(Anywhere),
    /// Show who changed what runs, when and why; the newest first.
    History(History),
    /// Remove the releases that nobody needs.
    Prune(Prune),
}

/// Whose releases, and how answers are printed.
#[derive(Debug, Args)]
pub(crate) struct Anywhere {
    /// The app's folder, where `tidegate.toml` is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) app: PathBuf,
    /// Where the releases are.
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where releases are: a folder, or a deployed stage.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The folder of the releases. [default: .tidegate/releases in the app's folder]
    #[arg(long, value_name = "DIR", conflicts_with = "stage")]
    pub(crate) store: Option<PathBuf>,
    /// The stage on AWS, instead of a folder.
    #[arg(long, value_parser = stage)]
    pub(crate) stage: Option<String>,
    /// The profile of AWS's configuration files.
    #[arg(long, requires = "stage")]
    pub(crate) profile: Option<String>,
    /// The Region.
    #[arg(long, requires = "stage")]
    pub(crate) region: Option<String>,
    /// The stage whose keys the hosts of a folder trust.
    #[arg(long, value_name = "STAGE", value_parser = stage, default_value = "dev", conflicts_with = "stage")]
    pub(crate) trust: String,
}

/// `tidegate release create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Which app.
    #[command(flatten)]
    pub(crate) app: App,
    /// A private key to sign with, as `tidegate keys new` writes one: its file, or in the environment the text of it. Each
    /// `--key` adds a signature.
    #[arg(long = "key", value_name = "FILE", env = "TIDEGATE_SIGNING_KEY", hide_env_values = true)]
    pub(crate) keys: Vec<SigningKey>,
    /// Where it is published.
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `tidegate release show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The release: at least 4 digits of its id, or `active`, or `canary`.
    pub(crate) release: Name,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// `tidegate release diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older one: at least 4 digits of its id, or `active`, `canary`, or `deployed` for what hosts were deployed with.
    pub(crate) old: Name,
    /// The newer one, named as the older.
    pub(crate) new: Name,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// `tidegate release activate`.
#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// The release: at least 4 digits of its id.
    pub(crate) release: Name,
    /// Activate it although it may do what the active one may not.
    #[arg(long)]
    pub(crate) allow_new_grants: bool,
    /// Why.
    #[command(flatten)]
    pub(crate) why: Why,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// `tidegate release canary`.
#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// The release: at least 4 digits of its id.
    pub(crate) release: Name,
    /// The share of the connections, from 0.01 to 100.
    #[arg(long, value_name = "N")]
    pub(crate) percent: TrafficWeight,
    /// How many of its events may fail, on all hosts together; one more halts it. [default: 10, or as many as it has
    /// already]
    #[arg(long, value_name = "N")]
    pub(crate) error_budget: Option<u64>,
    /// Count its failures from zero again, and go on after a halt.
    #[arg(long)]
    pub(crate) restart: bool,
    /// Run it although it may do what the active one may not.
    #[arg(long)]
    pub(crate) allow_new_grants: bool,
    /// Why.
    #[command(flatten)]
    pub(crate) why: Why,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// `tidegate release promote` and `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Why.
    #[command(flatten)]
    pub(crate) why: Why,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// Why something is done.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Why, for history.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
}

/// `tidegate release history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many changes are shown.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// `tidegate release prune`.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Keep the releases of the last so many changes, and at least so many of those that ran last.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) keep: usize,
    /// Keep what was published since, such as `30m`, `1h` or `7d`.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = age)]
    pub(crate) min_age: Duration,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why.
    #[command(flatten)]
    pub(crate) why: Why,
    /// Whose releases.
    #[command(flatten)]
    pub(crate) anywhere: Anywhere,
}

/// How a release is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// The one that is active.
    Active,
    /// The canary.
    Canary,
    /// The app that hosts were deployed with.
    Deployed,
    /// The one whose id begins with these hexadecimal digits.
    Digits(String),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text {
            "active" => Ok(Self::Active),
            "canary" => Ok(Self::Canary),
            "deployed" => Ok(Self::Deployed),
            digits if (4..=16).contains(&digits.len()) && digits.bytes().all(digit) => {
                Ok(Self::Digits(digits.to_owned()))
            }
            _ => {
                Err("a release is named by 4 to 16 hexadecimal digits, or by `active`, `canary` or `deployed`"
                    .to_owned())
            }
        }
    }
}

/// Where a private key is.
#[derive(Clone)]
pub(crate) enum SigningKey {
    /// In a file.
    File(PathBuf),
    /// Here.
    Pem(String),
}

impl FromStr for SigningKey {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim_start().starts_with("-----BEGIN") {
            true => Self::Pem(text.to_owned()),
            false => Self::File(text.into()),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Pem(_) => f.write_str("a private key"),
        }
    }
}

/// A reason that history keeps.
fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a reason is not empty".to_owned()),
        text if text.len() > MAX_REASON_BYTES => Err(format!("a reason has at most {MAX_REASON_BYTES} bytes")),
        text => Ok(text.to_owned()),
    }
}

/// A whole number of seconds, minutes, hours or days.
fn age(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*seconds))
    });
    let seconds = seconds.ok_or("a time is a whole number and `s`, `m`, `h` or `d`, such as `1h`")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_by_digits_or_by_what_it_is() {
        assert_eq!("active".parse(), Ok(Name::Active));
        assert_eq!("00af".parse(), Ok(Name::Digits("00af".to_owned())));
        for wrong in ["", "abc", "ABCD", "0123456789abcdef0", "act", "Active", "wxyz"] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_age_is_a_whole_number_of_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1_800), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "1", "h", "-1h", "1.5h", "1 h", "1w"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        assert_eq!(age("99999999999999999999d"), Ok(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let key: SigningKey = "-----BEGIN PRIVATE KEY-----\nsecret".parse().unwrap();
        assert!(matches!(key, SigningKey::Pem(_)));
        assert!(!format!("{key:?}").contains("secret"));
    }
}
