//! The number of concurrent posts in one call.
//!
//! The number follows additive increase and multiplicative decrease. All senders of the account share API Gateway's
//! rate limit, so a call probes for its share, and halves the number when a post is throttled.
//!
//! A call has at most 1,000 targets. A broadcast to a larger group takes several consecutive calls, and each call
//! starts with [`START_IN_FLIGHT`]. Keeping the number between calls would make it part of the port, and the local
//! gateway does not need it. Starting over costs at most one more pause per call.

use std::time::{Duration, Instant};

use tidegate_ports::Deadline;

use crate::http::retry::fraction;

/// The number of concurrent posts at the start of a call. Each post may open a connection. A TLS handshake costs about
/// a millisecond of CPU time, and a small Lambda function has a third of a CPU.
pub const START_IN_FLIGHT: usize = 64;
/// The maximum number of concurrent posts in a call.
pub const MAX_IN_FLIGHT: usize = 128;
/// The minimum number of concurrent posts, even after repeated throttling.
const MIN_IN_FLIGHT: usize = 2;
/// The maximum length of the first pause. The maximum doubles with each pause until a full window of responses arrives.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The maximum length of every pause.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The window of one call: the number of posts that may be in flight.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// The number of responses since the window last changed.
    answered: usize,
    /// The maximum length of the next pause.
    longest: Duration,
    /// The end of the current or most recent pause.
    resumes: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: START_IN_FLIGHT, answered: 0, longest: FIRST_PAUSE, resumes: now }
    }

    /// Returns the number of posts that may be in flight now: zero during a pause.
    pub(super) fn in_flight(&self, now: Instant) -> usize {
        if now < self.resumes { 0 } else { self.window }
    }

    /// Counts a response. After a full window of responses, the window grows by one.
    pub(super) fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= self.window {
            self.answered = 0;
            self.window = (self.window + 1).min(MAX_IN_FLIGHT);
            self.longest = FIRST_PAUSE;
        }
    }

    /// Counts a throttled post. Posts that were in flight at the same time count once.
    pub(super) fn throttled(&mut self, now: Instant) {
        if now < self.resumes {
            return;
        }
        self.window = (self.window / 2).max(MIN_IN_FLIGHT);
        self.answered = 0;
        // The pause is at least half of the maximum. After a very short pause, posts sent before it would be counted
        // again.
        self.resumes = now + self.longest.mul_f64(0.5 + fraction() / 2.0);
        self.longest = (self.longest * 2).min(MAX_PAUSE);
    }

    /// Waits for the end of the pause. Returns false immediately if the deadline comes first.
    pub(super) async fn resume(&self, deadline: Deadline) -> bool {
        if self.resumes >= deadline.instant() || deadline.has_passed() {
            return false;
        }
        tokio::time::sleep_until(self.resumes.into()).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_by_one_for_each_window_of_answers_up_to_its_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..START_IN_FLIGHT {
            assert_eq!(pace.in_flight(now), START_IN_FLIGHT);
            pace.answered();
        }
        assert_eq!(pace.in_flight(now), START_IN_FLIGHT + 1);
        for _ in 0..MAX_IN_FLIGHT * MAX_IN_FLIGHT {
            pace.answered();
        }
        assert_eq!(pace.in_flight(now), MAX_IN_FLIGHT);
    }

    #[test]
    fn throttling_halves_the_window_once_for_each_pause() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..START_IN_FLIGHT {
            pace.throttled(now);
        }
        assert_eq!(pace.in_flight(now), 0);
        let later = now + FIRST_PAUSE;
        assert_eq!(pace.in_flight(later), START_IN_FLIGHT / 2);
        pace.throttled(later);
        assert_eq!(pace.in_flight(later + FIRST_PAUSE / 4), 0);
        assert_eq!(pace.in_flight(later + 2 * FIRST_PAUSE), START_IN_FLIGHT / 4);
    }

    #[test]
    fn the_window_never_falls_below_its_minimum() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..20 {
            pace.throttled(now);
            now += MAX_PAUSE;
            assert!(pace.in_flight(now) >= MIN_IN_FLIGHT);
        }
    }
}
