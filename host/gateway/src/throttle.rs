//! The rate limits of an account.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::limits::Rate;

/// A token bucket that starts full. Without a rate, it is unlimited.
pub(crate) struct Throttle(Option<Bucket>);

struct Bucket {
    rate: Rate,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    filled: Duration,
}

impl Throttle {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Bucket {
            rate,
            state: Mutex::new(State { tokens: f64::from(rate.burst), filled: Duration::ZERO }),
        }))
    }

    /// Takes one token at `now`, which is a time of the gateway's clock. Returns false if no token is left.
    pub(crate) fn admit(&self, now: impl FnOnce() -> Duration) -> bool {
        let Some(bucket) = &self.0 else { return true };
        let now = now();
        let mut state = bucket.state.lock().unwrap_or_else(PoisonError::into_inner);
        let added = now.saturating_sub(state.filled).as_secs_f64() * f64::from(bucket.rate.per_second);
        state.tokens = (state.tokens + added).min(f64::from(bucket.rate.burst));
        state.filled = state.filled.max(now);
        if state.tokens < 1.0 {
            return false;
        }
        state.tokens -= 1.0;
        true
    }
}
