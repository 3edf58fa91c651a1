//! Connections held open, and the server's memory for them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio_tungstenite::tungstenite::Message;

use crate::socket::connect_many;

/// Time between two readings of the server's memory. The readings have settled if they differ by less than 1%.
const SETTLE: Duration = Duration::from_millis(500);

/// Measurements of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Number of connections when the memory was read.
    pub connections: usize,
    /// Resident memory of the server before the connections, in KiB.
    pub before_kib: u64,
    /// Resident memory of the server with the connections open, in KiB.
    pub held_kib: u64,
    /// Memory of the server per connection, in KiB.
    pub kib_per_connection: f64,
}

/// Opens `connections` to the server with process id `pid`, reads its memory, and checks that the connections work.
///
/// # Errors
/// A connection failed or was closed, or the process cannot be read.
pub async fn run(url: &str, connections: usize, pid: u32, message: &str) -> Result<Report> {
    // The first connections make the server allocate memory that it allocates only once.
    let warm = connect_many(url, 16).await?;
    let before_kib = settled(pid).await?;
    let mut sockets = connect_many(url, connections).await?;
    let held_kib = settled(pid).await?;
    for index in [0, connections / 2, connections.saturating_sub(1)] {
        let socket = sockets.get_mut(index).context("no connections were asked for")?;
        socket.send(Message::text(message)).await?;
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text == message => {}
            other => bail!("connection {index} of {connections} does not echo: {other:?}"),
        }
    }
    drop(warm);
    let kib_per_connection = held_kib.saturating_sub(before_kib) as f64 / connections as f64;
    Ok(Report { connections, before_kib, held_kib, kib_per_connection })
}

async fn settled(pid: u32) -> Result<u64> {
    let mut last = resident(pid)?;
    loop {
        tokio::time::sleep(SETTLE).await;
        let now = resident(pid)?;
        if now.abs_diff(last) <= last / 100 {
            return Ok(now);
        }
        last = now;
    }
}

/// Returns the `VmRSS` of a process in KiB.
fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no `VmRSS` in the status")?;
    field.trim().trim_end_matches(" kB").parse().with_context(|| format!("unexpected `VmRSS` in `{path}`"))
}
