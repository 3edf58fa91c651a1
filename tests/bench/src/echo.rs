//! Closed-loop echo: each connection sends its next message when the previous one has come back.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::latency::Latencies;
use crate::socket::{Socket, connect_many};

/// Measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Number of connections.
    pub connections: usize,
    /// Replies per second over all connections.
    pub rate: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
}

/// Runs `connections` loops for `warm_up` and then for `time`. Only `time` is measured.
///
/// # Errors
/// A connection failed, or a reply differs from its message.
pub async fn run(url: &str, connections: usize, message: &str, warm_up: Duration, time: Duration) -> Result<Report> {
    let sockets = connect_many(url, connections).await?;
    let start = Instant::now() + warm_up;
    let end = start + time;
    let mut loops = JoinSet::new();
    for socket in sockets {
        loops.spawn(echo_until(socket, Utf8Bytes::from(message), start, end));
    }
    let mut latencies = Latencies::default();
    while let Some(one) = loops.join_next().await {
        latencies.merge(one??);
    }
    let rate = latencies.count() as f64 / time.as_secs_f64();
    let [p50_us, p99_us] = latencies.percentiles([50.0, 99.0]);
    Ok(Report { connections, rate, p50_us, p99_us })
}

async fn echo_until(mut socket: Socket, message: Utf8Bytes, start: Instant, end: Instant) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    loop {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        socket.send(Message::Text(message.clone())).await?;
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text == message => {}
            Some(Ok(other)) => bail!("expected the message back, got {other:?}"),
            Some(Err(error)) => return Err(error.into()),
            None => bail!("the server closed the connection"),
        }
        let received = Instant::now();
        if sent >= start && received <= end {
            latencies.record(received - sent);
        }
    }
    socket.close(None).await.ok();
    Ok(latencies)
}
