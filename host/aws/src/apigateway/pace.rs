//! The number of concurrent posts of one call.
//!
//! The number follows additive increase and multiplicative decrease. API Gateway's rate limit is shared by every sender
//! of the account, so a call probes for its share, and halves the number when a post is throttled.
//!
//! A call has at most 1,000 targets. A broadcast to a larger group is several consecutive calls, and each starts with
//! [`START_IN_FLIGHT`]. Keeping the number between the calls would make it a part of the port, where sockets of one
//! machine do not need it. Starting over costs at most one more pause per call.

use std::time::{Duration, Instant};

use tidegate_ports::Deadline;

use crate::http::retry::fraction;

/// The number of concurrent posts at the start of a call. Each may open a connection, whose TLS handshake costs about a
/// millisecond of CPU time, and a small Lambda function has a third of a CPU.
pub const START_IN_FLIGHT: usize = 64;
/// The largest number of concurrent posts of a call.
pub const MAX_IN_FLIGHT: usize = 128;
/// The smallest number of concurrent posts, which repeated throttling does not reduce.
const MIN_IN_FLIGHT: usize = 2;
/// The limit of the first pause. The limit doubles for each further pause without a window of answers between them.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The window of one call: the number of posts that may be in flight.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// The answers since the window last changed.
    answered: usize,
    /// The limit of the next pause.
    longest: Duration,
    /// The end of the current or last pause.
    resumes: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: START_IN_FLIGHT, answered: 0, longest: FIRST_PAUSE, resumes: now }
    }

    /// Returns the number of posts that may be in flight now: none during a pause.
    pub(super) fn in_flight(&self, now: Instant) -> usize {
        if now < self.resumes { 0 } else { self.window }
    }

    /// Counts an answer. After a window of answers, the window grows by one.
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
        // At least half of the limit: after a very short pause, posts that were sent before it would count again.
        self.resumes = now + self.longest.mul_f64(0.5 + fraction() / 2.0);
        self.longest = (self.longest * 2).min(MAX_PAUSE);
    }

    /// Waits for the end of the pause. Returns false at once if the deadline comes first.
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
