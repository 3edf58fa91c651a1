//! A clock that includes the time while the process is suspended.

use std::time::{Duration, Instant, SystemTime};

/// A point in time whose age includes the time while the process was suspended.
///
/// Lambda freezes a process between events. During a freeze, the monotonic clock may stop. The wall clock continues,
/// but it can be set. The age is therefore the larger of the two clocks' results, and a wall clock that was set back is
/// ignored.
///
/// ```
/// use std::time::Duration;
/// use tidegate_ports::AwakeInstant;
///
/// let read_at = AwakeInstant::now();
/// assert!(read_at.elapsed() < Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwakeInstant {
    monotonic: Instant,
    wall: SystemTime,
}

impl AwakeInstant {
    /// Returns the current time.
    #[must_use]
    pub fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns the time since this point, including suspensions.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        let by_wall = self.wall.elapsed().unwrap_or_default();
        self.monotonic.elapsed().max(by_wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_age_includes_a_suspension_that_only_the_wall_clock_saw() {
        let suspended = AwakeInstant { monotonic: Instant::now(), wall: SystemTime::now() - MINUTE };
        assert!(suspended.elapsed() >= MINUTE);
    }

    #[test]
    fn a_wall_clock_that_was_set_back_is_ignored() {
        let old = AwakeInstant { monotonic: Instant::now() - MINUTE, wall: SystemTime::now() + MINUTE };
        assert!(old.elapsed() >= MINUTE);
        let new = AwakeInstant { monotonic: Instant::now(), wall: SystemTime::now() + MINUTE };
        assert!(new.elapsed() < MINUTE);
    }
}
