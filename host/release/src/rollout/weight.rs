//! Traffic weights.

use serde::{Deserialize, Serialize};
use tidegate_diagnostic::{Code, Diagnostic};

/// The share of the connections that a canary serves, in hundredths of a percent: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct TrafficWeight(u16);

/// A number that is not a traffic weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0.01 to 100 in steps of 0.01")]
pub struct TrafficWeightError;

impl From<TrafficWeightError> for Diagnostic {
    fn from(error: TrafficWeightError) -> Self {
        Self::new(Code::TrafficWeightInvalid, "invalid traffic weight", error.to_string())
    }
}

impl TrafficWeight {
    /// The weight of a canary that serves every connection.
    pub const ALL: Self = Self(10_000);

    /// Creates a weight of `hundredths` of a percent.
    ///
    /// # Errors
    /// If `hundredths` is 0 or above 10,000.
    pub fn new(hundredths: u16) -> Result<Self, TrafficWeightError> {
        if (1..=10_000).contains(&hundredths) { Ok(Self(hundredths)) } else { Err(TrafficWeightError) }
    }

    /// Returns the weight in hundredths of a percent.
    #[must_use]
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for TrafficWeight {
    type Error = TrafficWeightError;

    fn try_from(hundredths: u16) -> Result<Self, TrafficWeightError> {
        Self::new(hundredths)
    }
}

impl From<TrafficWeight> for u16 {
    fn from(weight: TrafficWeight) -> Self {
        weight.0
    }
}

impl std::str::FromStr for TrafficWeight {
    type Err = TrafficWeightError;

    /// Parses a percentage, for example `5` or `0.25`.
    fn from_str(text: &str) -> Result<Self, TrafficWeightError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
            return Err(TrafficWeightError);
        }
        format!("{whole}{fraction:0<2}").parse().map_err(|_| TrafficWeightError).and_then(Self::new)
    }
}

impl std::fmt::Display for TrafficWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.0 / 100;
        let fraction = self.0 % 100;
        match fraction {
            0 => write!(f, "{whole} %"),
            _ => write!(f, "{whole}.{fraction:02} %"),
        }
    }
}
