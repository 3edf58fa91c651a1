//! The measurements, as one object of JSON. Medians and ratios are made where they are shown.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::Calls;
use crate::fanout::Broadcast;
use crate::warm::Times;

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The calls at the start, of every function.
    pub start_calls: Calls,
    /// The calls for an echo, of every function.
    pub echo_calls: Calls,
    /// The calls for a chat message, of every function.
    pub chat_calls: Calls,
    /// The calls for releases while warm events ran, of those that follow them.
    pub release_calls: Calls,
    /// The functions, by name.
    pub functions: BTreeMap<&'static str, Measured>,
}

/// What was measured of one function.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    /// Milliseconds of each cold start.
    pub cold_ms: Vec<f64>,
    /// Warm echoes.
    pub echo: Warm,
    /// Warm chat messages.
    pub chat: Warm,
    /// Resident memory after the warm events, in KiB.
    pub memory_kib: u64,
    /// Resident memory after the broadcasts, in KiB.
    pub memory_after_fanout_kib: u64,
    /// Milliseconds of each broadcast.
    pub fanout_ms: Vec<f64>,
    /// The most posts of a broadcast that were under way at once.
    pub in_flight: usize,
    /// Milliseconds that each broadcast takes at least with so many under way.
    pub bound_ms: Vec<f64>,
}

/// Warm events of one kind, in microseconds.
#[derive(Debug, Default, Serialize)]
pub struct Warm {
    /// How many there were.
    pub events: usize,
    /// The median until the answer.
    pub p50_us: f64,
    /// The 99th percentile until the answer.
    pub p99_us: f64,
    /// The median until the next event is asked for.
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
