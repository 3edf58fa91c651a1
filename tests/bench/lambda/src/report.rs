//! The report: all measurements as one JSON object. The reader computes medians and ratios.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::Calls;
use crate::fanout::Broadcast;
use crate::warm::Times;

/// Measurements of all functions.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Calls at start-up, the same for every function.
    pub start_calls: Calls,
    /// Calls for an echo, the same for every function.
    pub echo_calls: Calls,
    /// Calls for a chat message, the same for every function.
    pub chat_calls: Calls,
    /// Calls for releases during warm events, for the functions with a release store.
    pub release_calls: Calls,
    /// Measurements by function.
    pub functions: BTreeMap<&'static str, Measured>,
}

/// Measurements of one function.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    /// Duration of each cold start, in milliseconds.
    pub cold_ms: Vec<f64>,
    /// Warm echo events.
    pub echo: Warm,
    /// Warm chat events.
    pub chat: Warm,
    /// Resident memory after the warm events, in KiB.
    pub memory_kib: u64,
    /// Resident memory after the broadcasts, in KiB.
    pub memory_after_fanout_kib: u64,
    /// Duration of each broadcast, in milliseconds.
    pub fanout_ms: Vec<f64>,
    /// Maximum number of concurrent posts in a broadcast.
    pub in_flight: usize,
    /// Minimum possible duration of each broadcast with its number of concurrent posts, in milliseconds.
    pub bound_ms: Vec<f64>,
}

/// Warm events of one kind, in microseconds.
#[derive(Debug, Default, Serialize)]
pub struct Warm {
    /// Number of events.
    pub events: usize,
    /// Median time to the response.
    pub p50_us: f64,
    /// 99th percentile of the time to the response.
    pub p99_us: f64,
    /// Median time to the request for the next event.
    pub round_p50_us: f64,
}

impl Measured {
    /// Adds a broadcast.
    pub fn add(&mut self, broadcast: &Broadcast) {
        self.fanout_ms.push(broadcast.took.as_secs_f64() * 1e3);
        self.bound_ms.push(broadcast.bound.as_secs_f64() * 1e3);
        self.in_flight = self.in_flight.max(broadcast.in_flight);
    }
}

impl From<Times> for Warm {
    fn from(Times { answers, rounds }: Times) -> Self {
        let events = answers.count();
        let [p50_us, p99_us] = answers.percentiles([50.0, 99.0]);
        let [round_p50_us] = rounds.percentiles([50.0]);
        Self { events, p50_us, p99_us, round_p50_us }
    }
}
