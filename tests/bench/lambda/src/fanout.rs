//! One message to many connections, whose endpoint takes its time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::aws::Aws;
use crate::events;
use crate::process::Process;

/// How many connections there are.
pub const MEMBERS: usize = 1_000;
/// How long a post takes.
pub const POST: Duration = Duration::from_millis(10);

/// One broadcast.
#[derive(Debug, Clone, Copy)]
pub struct Broadcast {
    /// From the event to its answer.
    pub took: Duration,
    /// The most posts that were under way at once.
    pub in_flight: usize,
}

/// Gives a function one chat message. The stub's group has [`MEMBERS`], and a post takes [`POST`].
///
/// # Errors
/// It ended, did not answer, or did not post to everybody.
pub async fn run(process: &mut Process, aws: &Aws) -> Result<Broadcast> {
    process.idle().await?;
    drop(aws.take());
    let event = events::chat();
    let began = Instant::now();
    process.invoke(event).await?;
    let took = began.elapsed();
    process.idle().await?;
    let seen = aws.take();
    let posts = seen.calls.get("PostToConnection").copied().unwrap_or_default();
    ensure!(posts == MEMBERS, "a broadcast to {MEMBERS} connections posted {posts} messages");
    Ok(Broadcast { took, in_flight: seen.in_flight })
}

/// How long the posts take if nothing but the endpoint took time, with so many under way.
#[must_use]
pub fn bound(in_flight: usize) -> Duration {
    let waits = MEMBERS.div_ceil(in_flight.max(1));
    POST.saturating_mul(u32::try_from(waits).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_whole_waits() {
        assert_eq!(bound(64), Duration::from_millis(160));
        assert_eq!(bound(1_000), POST);
        assert_eq!(bound(0), bound(1));
    }
}
