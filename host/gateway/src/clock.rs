//! The clock of a gateway, which tests can set.

use std::future::Future;
use std::time::{Duration, Instant};

use tidegate_event::Timestamp;
use tokio::sync::watch;

/// The clock for idle and two-hour closes, integration timeouts, throttles and the times of events.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { start: Instant },
    Manual { start: Timestamp, elapsed: watch::Sender<Duration> },
}

impl Clock {
    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { start: Instant::now() })
    }

    /// Returns a clock that stays at `start` until [`advance`](Self::advance) is called.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual { start, elapsed: watch::Sender::new(Duration::ZERO) })
    }

    /// Advances a manual clock, and wakes the tasks whose wake-up time has come. Does nothing to the system clock.
    pub fn advance(&self, duration: Duration) {
        if let Source::Manual { elapsed, .. } = &self.0 {
            elapsed.send_modify(|elapsed| *elapsed = elapsed.saturating_add(duration));
        }
    }

    /// Returns the wall-clock time, for events.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => Timestamp::now(),
            Source::Manual { start, elapsed } => start.saturating_add(*elapsed.borrow()),
        }
    }

    /// Returns the time since the clock was created. It never decreases, even if the wall clock is set back.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { start } => start.elapsed(),
            Source::Manual { elapsed, .. } => *elapsed.borrow(),
        }
    }

    /// Waits until [`Clock::elapsed`] has reached `time`.
    pub async fn sleep_until(&self, time: Duration) {
        match &self.0 {
            Source::System { start } => tokio::time::sleep_until((*start + time).into()).await,
            Source::Manual { elapsed, .. } => {
                // The sender is owned by `self`, so this cannot fail.
                let _ = elapsed.subscribe().wait_for(|elapsed| *elapsed >= time).await;
            }
        }
    }

    /// Runs `future` for at most `limit`. Returns `None` if the limit has passed.
    pub(crate) async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let end = self.elapsed().saturating_add(limit);
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep_until(end) => None,
        }
    }
}
