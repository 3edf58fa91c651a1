//! The status of releases, as hosts report it.

use serde::{Deserialize, Serialize};
use tidegate_event::Timestamp;

/// The maximum length of a stored reason, in bytes. A longer reason is cut.
pub const MAX_REASON_BYTES: usize = 1_024;

/// The number of days for which load reports are kept.
pub const STATUS_DAYS: u32 = 30;

/// The events of a canary, counted by their outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CanaryCounts {
    /// Events of every outcome.
    pub events: u64,
    /// Events that trapped.
    pub traps: u64,
    /// Events that missed their deadline.
    pub timeouts: u64,
    /// Events that failed otherwise.
    pub errors: u64,
}

/// The result of loading a release on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// The time of the report.
    pub at: Timestamp,
    /// The host: a function and its log stream, or a machine.
    pub host: String,
    /// The reason of a failure, cut to [`MAX_REASON_BYTES`], or `None` after a success.
    pub failure: Option<String>,
}

/// The load reports of all hosts for one release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct LoadSummary {
    /// The number of hosts that loaded the release.
    pub loaded: u64,
    /// The number of failed attempts to load the release.
    pub failed: u64,
    /// The time of the last report, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<LoadFailure>,
}

/// A failed attempt to load a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadFailure {
    /// The time of the failure.
    pub at: Timestamp,
    /// The host that failed to load the release.
    pub host: String,
    /// The reason, cut to [`MAX_REASON_BYTES`].
    pub reason: String,
}

impl CanaryCounts {
    /// Returns the number of events that count towards the error budget.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.traps.saturating_add(self.timeouts).saturating_add(self.errors)
    }

    /// Returns the sum of the two counts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            traps: self.traps.saturating_add(other.traps),
            timeouts: self.timeouts.saturating_add(other.timeouts),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}
