//! Warm events, one after the other.
//!
//! The next event is sent when the function requests it, so work after a response does not delay the next event. This
//! models events with enough time between them for that work. The time of that work is measured separately.

use std::time::Instant;

use anyhow::Result;
use tidegate_bench::latency::Latencies;

use crate::process::Process;

/// Times of the events of one kind.
#[derive(Default)]
pub struct Times {
    /// Times from the event to its response.
    pub answers: Latencies,
    /// Times from the event to the request for the next event.
    pub rounds: Latencies,
}

/// Sends `event` to a function `count` times.
///
/// # Errors
/// The function ended, or did not respond.
pub async fn run(process: &mut Process, event: &[u8], count: usize, times: &mut Times) -> Result<()> {
    process.idle().await?;
    for _ in 0..count {
        let event = event.to_vec();
        let began = Instant::now();
        process.invoke(event).await?;
        times.answers.record(began.elapsed());
        process.idle().await?;
        times.rounds.record(began.elapsed());
    }
    Ok(())
}
