//! One sender, N receivers: the sender's message is broadcast to all of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::latency::Latencies;
use crate::socket::{Socket, connect, connect_many};

/// Number of broadcasts in flight. The loop is closed, so servers do not have to drop messages. The number is above
/// one, so servers do not idle between the last delivery and the next message.
const WINDOW: u64 = 4;

/// Time limit for the slowest receiver. Later deliveries count as lost.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Number of receivers, without the sender.
    pub receivers: usize,
    /// Messages delivered per second over all receivers.
    pub deliveries: f64,
    /// Median latency of a broadcast in microseconds: the time until all deliveries up to and including its own have
    /// arrived.
    pub p50_us: f64,
    /// 99th percentile of that latency in microseconds.
    pub p99_us: f64,
}

/// Deliveries so far. The sender is notified when a broadcast is complete.
struct Progress {
    receivers: u64,
    delivered: AtomicU64,
    completed: Notify,
    broadcasts: Mutex<Broadcasts>,
}

/// Send times of the broadcasts in flight, oldest first, and the latencies of the completed ones.
#[derive(Default)]
struct Broadcasts {
    in_flight: VecDeque<Instant>,
    latencies: Latencies,
}

impl Progress {
    /// Counts a delivery. Deliveries complete the broadcasts in the order in which the broadcasts were sent.
    fn deliver(&self) {
        let delivered = self.delivered.fetch_add(1, Ordering::AcqRel) + 1;
        if delivered.is_multiple_of(self.receivers) {
            let mut broadcasts = self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sent) = broadcasts.in_flight.pop_front() {
                broadcasts.latencies.record(sent.elapsed());
            }
            drop(broadcasts);
            self.completed.notify_one();
        }
    }

    fn start_broadcast(&self) {
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).in_flight.push_back(Instant::now());
    }

    /// Returns the latencies since the last call.
    fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).latencies)
    }

    fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }
}

/// Connects `receivers` and one sender, then broadcasts for `warm_up` and for `time`. Only `time` is measured.
///
/// The sender is a connection too, so a server that delivers to every connection also delivers to the sender. Those
/// deliveries are read but not counted.
///
/// # Errors
/// A connection failed, or a delivery did not arrive.
pub async fn run(url: &str, receivers: usize, message: &str, warm_up: Duration, time: Duration) -> Result<Report> {
    let progress = Arc::new(Progress {
        receivers: receivers as u64,
        delivered: AtomicU64::new(0),
        completed: Notify::new(),
        broadcasts: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    for socket in connect_many(url, receivers).await? {
        tasks.spawn(receive(socket, Arc::clone(&progress)));
    }
    let (mut sink, mut stream) = connect(url).await?.split();
    tasks.spawn(async move {
        while let Some(message) = stream.next().await {
            message?;
        }
        bail!("the server closed the sender's connection")
    });

    let start = Instant::now() + warm_up;
    let end = start + time;
    let mut sent = 0_u64;
    let mut first = None;
    loop {
        let now = Instant::now();
        let delivered = progress.delivered();
        if now >= start && first.is_none() {
            first = Some((now, delivered));
            drop(progress.take_latencies());
        }
        if now >= end {
            break;
        }
        if sent < delivered / progress.receivers + WINDOW {
            progress.start_broadcast();
            sink.send(Message::text(message)).await?;
            sent += 1;
            continue;
        }
        tokio::select! {
            () = progress.completed.notified() => {}
            stopped = tasks.join_next() => bail!("a connection ended: {stopped:?}"),
            () = tokio::time::sleep(TIMEOUT) => {
                bail!("{delivered} of {} deliveries arrived", sent * progress.receivers)
            }
        }
    }
    let (began, before) = first.context("the run was shorter than its warm-up")?;
    let delivered = progress.delivered() - before;
    let deliveries = delivered as f64 / began.elapsed().as_secs_f64();
    let [p50_us, p99_us] = progress.take_latencies().percentiles([50.0, 99.0]);
    wait_for_deliveries(&progress, sent * progress.receivers).await?;
    Ok(Report { receivers, deliveries, p50_us, p99_us })
}

/// Waits until all messages have arrived, because a server that loses messages must not look fast.
async fn wait_for_deliveries(progress: &Progress, expected: u64) -> Result<()> {
    let arrived = async {
        while progress.delivered() < expected {
            progress.completed.notified().await;
        }
    };
    if timeout(TIMEOUT, arrived).await.is_err() {
        bail!("{} of {expected} deliveries arrived", progress.delivered());
    }
    Ok(())
}

async fn receive(mut socket: Socket, progress: Arc<Progress>) -> Result<()> {
    while let Some(message) = socket.next().await {
        if !message?.is_text() {
            bail!("expected a text message");
        }
        progress.deliver();
    }
    bail!("the server closed a receiver's connection")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_is_complete_with_its_last_delivery() {
        let progress = Progress {
            receivers: 2,
            delivered: AtomicU64::new(0),
            completed: Notify::new(),
            broadcasts: Mutex::default(),
        };
        progress.start_broadcast();
        progress.start_broadcast();
        for (deliveries, completed) in [(1, 0), (1, 1), (1, 0), (1, 1)] {
            (0..deliveries).for_each(|_| progress.deliver());
            assert_eq!(progress.take_latencies().count(), completed);
        }
    }
}
