//! Warm events, one after the other.
//!
//! The next event comes once the function has asked for it, so that what a function does after its answer delays nobody,
//! as where events come further apart than that takes. How long it takes is measured beside the answer.

use std::time::Instant;

use anyhow::Result;
use tidegate_bench::latency::Latencies;

use crate::process::Process;

/// How long the events of one kind took.
#[derive(Default)]
pub struct Times {
    /// From the event to its answer.
    pub answers: Latencies,
    /// From the event to the request for the next.
    pub rounds: Latencies,
}

/// Gives a function `count` events like this one.
///
/// # Errors
/// It ended, or did not answer.
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
