//! How many messages of one call are under way.
//!
//! Additive increase, multiplicative decrease: API Gateway's rate is the account's, shared with every other sender, so a
//! call finds out how much of it there is, and halves its share when it is told that it was too much.
//!
//! A call has at most 1,000 targets. A broadcast to a larger group is several calls, one after the other, each of which
//! starts anew: to keep the pace between them it would have to pass through the port, which sockets of one machine have
//! no use for, and 64 under way after a thousand answers cost one more pause where that is too many.

use std::time::{Duration, Instant};

use tidegate_ports::Deadline;

use crate::http::retry::fraction;

/// How many messages of one call are under way at first. Each may open a connection, whose handshake costs about a
/// millisecond of CPU, and a small Lambda has a third of one.
pub const START_IN_FLIGHT: usize = 64;
/// How many messages of one call are under way at most.
pub const MAX_IN_FLIGHT: usize = 128;
/// How many are under way at least, however often API Gateway says that it was too much.
const MIN_IN_FLIGHT: usize = 2;
/// The longest first pause; each later one in a row may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The pace of one call.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    answered: usize,
    longest: Duration,
    resumes: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: START_IN_FLIGHT, answered: 0, longest: FIRST_PAUSE, resumes: now }
    }

    /// How many may be under way now: none during a pause.
    pub(super) fn in_flight(&self, now: Instant) -> usize {
        if now < self.resumes { 0 } else { self.window }
    }

    /// One was answered: after a window of answers, one more may be under way.
    pub(super) fn answered(&mut self) {
        self.answered += 1;
        if self.answered >= self.window {
            self.answered = 0;
            self.window = (self.window + 1).min(MAX_IN_FLIGHT);
            self.longest = FIRST_PAUSE;
        }
    }

    /// One was too many. Others that were sent at the same time say the same, which counts once.
    pub(super) fn throttled(&mut self, now: Instant) {
        if now < self.resumes {
            return;
        }
        self.window = (self.window / 2).max(MIN_IN_FLIGHT);
        self.answered = 0;
        // At least half: a pause of nothing would count what was sent before it once more.
        self.resumes = now + self.longest.mul_f64(0.5 + fraction() / 2.0);
        self.longest = (self.longest * 2).min(MAX_PAUSE);
    }

    /// Waits for the end of the pause; false, at once, when the deadline comes first.
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
    fn something_is_always_under_way_after_a_pause() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..20 {
            pace.throttled(now);
            now += MAX_PAUSE;
            assert!(pace.in_flight(now) >= MIN_IN_FLIGHT);
        }
    }
}
