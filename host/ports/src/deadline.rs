//! The deadline of a call.

use std::time::{Duration, Instant};

/// The point on the monotonic clock by which a call must return, with an error if necessary.
///
/// ```
/// use std::time::Duration;
/// use tidegate_ports::Deadline;
///
/// let deadline = Deadline::after(Duration::from_secs(2));
/// assert!(!deadline.has_passed());
/// assert!(deadline.earlier(Duration::from_millis(50)) < deadline);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Creates a deadline at `instant`.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// Creates a deadline `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// Returns the point on the monotonic clock.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Returns a deadline `duration` earlier.
    #[must_use]
    pub fn earlier(self, duration: Duration) -> Self {
        Self(self.0.checked_sub(duration).unwrap_or_else(Instant::now))
    }

    /// Returns the time until the deadline, or zero after it.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Returns true if the deadline has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}
