//! The time by which a call answers.

use std::time::{Duration, Instant};

/// A point of the monotonic clock by which a call answers or says that it could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at `instant`.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The point of time.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The deadline `duration` earlier.
    #[must_use]
    pub fn earlier(self, duration: Duration) -> Self {
        Self(self.0.checked_sub(duration).unwrap_or_else(Instant::now))
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}
