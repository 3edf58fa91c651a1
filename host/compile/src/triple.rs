//! The targets of artifacts.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The target of an artifact: an architecture at its baseline.
///
/// An artifact does not use optional features of the build machine's CPU, so it runs on every machine of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Triple {
    /// `x86_64-unknown-linux-gnu`.
    X86_64Linux,
    /// `aarch64-unknown-linux-gnu`, the arm64 of Lambda.
    Aarch64Linux,
}

impl Triple {
    /// The targets that artifacts are compiled for.
    pub const ALL: [Self; 2] = [Self::X86_64Linux, Self::Aarch64Linux];

    /// Returns the target that this machine can run.
    ///
    /// # Errors
    /// [`Error::UnsupportedHost`] if the machine is neither x86-64 nor arm64 Linux.
    pub fn host() -> Result<Self, Error> {
        tidegate_runtime::engine::target().ok_or(Error::UnsupportedHost(std::env::consts::ARCH))?.parse()
    }

    /// Returns Rust's name for the target, for example `x86_64-unknown-linux-gnu`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64Linux => "x86_64-unknown-linux-gnu",
            Self::Aarch64Linux => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Triple {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|triple| triple.as_str() == text);
        known.ok_or_else(|| Error::UnknownTriple(text.to_owned()))
    }
}
