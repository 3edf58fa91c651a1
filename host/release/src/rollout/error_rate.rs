//! Error rates.

use serde::{Deserialize, Serialize};

use super::weight::TrafficWeight;

/// The part of the connections for which a canary may fail more often than the active release, in hundredths of a
/// percent: 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ErrorRate(u16);

/// The limit of a canary's failures. One more halts the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureLimit {
    /// A number of failed events.
    Count(u64),
    /// A difference to the rate of the active release.
    Rate(ErrorRate),
}

/// A number that is not an error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0 to 100 in steps of 0.01")]
pub struct ErrorRateError;

impl ErrorRate {
    /// The rate of a canary without another limit: 5 percentage points.
    pub const DEFAULT: Self = Self(500);

    /// Creates a rate of `hundredths` of a percent.
    ///
    /// # Errors
    /// If `hundredths` is above 10,000.
    pub fn new(hundredths: u16) -> Result<Self, ErrorRateError> {
        if hundredths <= 10_000 { Ok(Self(hundredths)) } else { Err(ErrorRateError) }
    }

    /// Returns the rate as a number from 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }
}

impl From<u64> for FailureLimit {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<ErrorRate> for FailureLimit {
    fn from(rate: ErrorRate) -> Self {
        Self::Rate(rate)
    }
}

impl TryFrom<u16> for ErrorRate {
    type Error = ErrorRateError;

    fn try_from(hundredths: u16) -> Result<Self, ErrorRateError> {
        Self::new(hundredths)
    }
}

impl From<ErrorRate> for u16 {
    fn from(rate: ErrorRate) -> Self {
        rate.0
    }
}

impl std::str::FromStr for ErrorRate {
    type Err = ErrorRateError;

    /// Parses a percentage, for example `5`, `0.25` or `0`.
    fn from_str(text: &str) -> Result<Self, ErrorRateError> {
        match text {
            "0" => Ok(Self(0)),
            text => text.parse().map(|weight: TrafficWeight| Self(weight.hundredths())).map_err(|_| ErrorRateError),
        }
    }
}

impl std::fmt::Display for ErrorRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, fraction) => write!(f, "{whole}.{fraction:02} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_percentages() {
        let rates = [("0", 0, "0 %"), ("5", 500, "5 %"), ("0.25", 25, "0.25 %"), ("100", 10_000, "100 %")];
        for (text, hundredths, shown) in rates {
            let rate: ErrorRate = text.parse().unwrap();
            assert_eq!((rate, rate.to_string().as_str()), (ErrorRate(hundredths), shown));
        }
        for wrong in ["", "-1", "100.01", "1e1", "five", "0.001"] {
            assert!(wrong.parse::<ErrorRate>().is_err(), "{wrong}");
        }
        assert!((ErrorRate::DEFAULT.fraction() - 0.05).abs() < f64::EPSILON);
    }
}
