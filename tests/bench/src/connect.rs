//! Closed-loop handshakes: each client connects, waits for the response to its upgrade, closes, and connects again.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::latency::Latencies;
use crate::socket::connect;

/// Measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Number of clients.
    pub clients: usize,
    /// Accepted handshakes per second over all clients.
    pub rate: f64,
    /// Median time from connecting to the response in microseconds.
    pub p50_us: f64,
    /// 99th percentile of that time in microseconds.
    pub p99_us: f64,
}

/// Runs `clients` loops for `warm_up` and then for `time`. Only `time` is measured.
///
/// # Errors
/// A handshake failed.
pub async fn run(url: &str, clients: usize, warm_up: Duration, time: Duration) -> Result<Report> {
    let start = Instant::now() + warm_up;
    let end = start + time;
    let mut loops = JoinSet::new();
    for _ in 0..clients {
        loops.spawn(connect_until(url.to_owned(), start, end));
    }
    let mut latencies = Latencies::default();
    while let Some(one) = loops.join_next().await {
        latencies.merge(one??);
    }
    let rate = latencies.count() as f64 / time.as_secs_f64();
    let [p50_us, p99_us] = latencies.percentiles([50.0, 99.0]);
    Ok(Report { clients, rate, p50_us, p99_us })
}

async fn connect_until(url: String, start: Instant, end: Instant) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    loop {
        let begun = Instant::now();
        if begun >= end {
            return Ok(latencies);
        }
        let mut socket = connect(&url).await?;
        let accepted = Instant::now();
        if begun >= start && accepted <= end {
            latencies.record(accepted - begun);
        }
        // The close frame is sent, and its answer is not awaited: a browser's page that is closed does the same.
        socket.close(None).await.ok();
    }
}
