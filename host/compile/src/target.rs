//! Where an artifact runs.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Where an artifact runs: an architecture at its baseline. Features of the build machine's CPU are never used, so an
/// artifact runs on every machine of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// `x86_64-unknown-linux-gnu`.
    X86_64Linux,
    /// `aarch64-unknown-linux-gnu`: Lambda's arm64.
    Aarch64Linux,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 2] = [Self::X86_64Linux, Self::Aarch64Linux];

    /// The target that this machine runs.
    ///
    /// # Errors
    /// When it is neither x86-64 nor arm64 Linux.
    pub fn host() -> Result<Self, Error> {
        tidegate_runtime::engine::target().ok_or(Error::UnsupportedHost(std::env::consts::ARCH))?.parse()
    }

    /// The triple, as Rust names it.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64Linux => "x86_64-unknown-linux-gnu",
            Self::Aarch64Linux => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.triple())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|target| target.triple() == text);
        known.ok_or_else(|| Error::UnknownTarget(text.to_owned()))
    }
}
