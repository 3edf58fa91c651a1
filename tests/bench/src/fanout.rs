//! One sender, N receivers: the sender's message is broadcast to all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket::{Socket, connect, connect_many};

/// Broadcasts that are under way at once. A closed loop, so that no server has to drop any; more than
/// one, so that none idles between the last delivery and the next message.
const WINDOW: u64 = 4;

/// How long the slowest receiver may take before deliveries count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Receivers; the sender is not one of them.
    pub receivers: usize,
    /// Messages delivered a second, all receivers together.
    pub deliveries: f64,
}

/// Deliveries so far, and word of them to the sender.
#[derive(Default)]
struct Progress {
    delivered: AtomicU64,
    changed: Notify,
}

/// Connects `receivers` and one sender, then broadcasts for `warm_up` and for `time`; only the latter is counted.
///
/// The sender is a connection too, so a server that delivers to everyone delivers to it as well; those
/// deliveries are read and not counted.
///
/// # Errors
/// A connection failed, or a delivery did not arrive.
pub async fn run(url: &str, receivers: usize, message: &str, warm_up: Duration, time: Duration) -> Result<Report> {
    let progress = Arc::new(Progress::default());
    let mut tasks = JoinSet::new();
    for socket in connect_many(url, receivers).await? {
        tasks.spawn(receive(socket, Arc::clone(&progress), receivers as u64));
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
    let (mut sent, mut first) = (0_u64, None);
    loop {
        let now = Instant::now();
        let delivered = progress.delivered.load(Ordering::Acquire);
        if now >= start && first.is_none() {
            first = Some((now, delivered));
        }
        if now >= end {
            break;
        }
        if sent < delivered / receivers as u64 + WINDOW {
            sink.send(Message::text(message)).await?;
            sent += 1;
            continue;
        }
        tokio::select! {
            () = progress.changed.notified() => {}
            stopped = tasks.join_next() => bail!("a connection ended: {stopped:?}"),
            () = tokio::time::sleep(PATIENCE) => bail!("{delivered} of {} deliveries arrived", sent * receivers as u64),
        }
    }
    let (began, before) = first.context("the run was shorter than its warm-up")?;
    let delivered = progress.delivered.load(Ordering::Acquire) - before;
    let deliveries = delivered as f64 / began.elapsed().as_secs_f64();
    drain(&progress, sent * receivers as u64).await?;
    Ok(Report { receivers, deliveries })
}

/// Waits until everything that was sent has arrived: a server that loses messages must not look fast.
async fn drain(progress: &Progress, expected: u64) -> Result<()> {
    let arrived = async {
        while progress.delivered.load(Ordering::Acquire) < expected {
            progress.changed.notified().await;
        }
    };
    if timeout(PATIENCE, arrived).await.is_err() {
        bail!("{} of {expected} deliveries arrived", progress.delivered.load(Ordering::Acquire));
    }
    Ok(())
}

async fn receive(mut socket: Socket, progress: Arc<Progress>, receivers: u64) -> Result<()> {
    while let Some(message) = socket.next().await {
        if !message?.is_text() {
            bail!("expected a text message");
        }
        let delivered = progress.delivered.fetch_add(1, Ordering::AcqRel) + 1;
        if delivered.is_multiple_of(receivers) {
            progress.changed.notify_one();
        }
    }
    bail!("the server closed a receiver's connection")
}
