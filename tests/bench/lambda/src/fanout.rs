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
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// From the event to its answer.
    pub took: Duration,
    /// The most posts that were under way at once.
    pub in_flight: usize,
    /// What it takes at least with so many under way.
    pub bound: Duration,
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
    let in_flight = seen.in_flight.last().copied().unwrap_or_default();
    Ok(Broadcast { took, in_flight, bound: bound(&seen.in_flight) })
}

/// How long the posts take if nothing but the endpoint took time. `in_flight` says for each post how many were under way
/// at most by then: one more begins when as many before it have ended.
#[must_use]
pub fn bound(in_flight: &[usize]) -> Duration {
    // By post, in how many waits it ends.
    let mut ends: Vec<u32> = Vec::with_capacity(in_flight.len());
    for (post, most) in in_flight.iter().enumerate() {
        let before = post.checked_sub(*most).and_then(|before| ends.get(before)).copied();
        ends.push(before.unwrap_or_default() + 1);
    }
    POST.saturating_mul(ends.last().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(in_flight: impl Iterator<Item = usize>) -> u32 {
        let bound = bound(&in_flight.collect::<Vec<_>>());
        u32::try_from(bound.as_millis() / POST.as_millis()).unwrap()
    }

    #[test]
    fn a_steady_number_makes_whole_waits() {
        // All begin at once, and are seen one after the other.
        assert_eq!(waits((1..=64).chain([64; 936])), 16);
        assert_eq!(waits(1..=1_000), 1);
        assert_eq!(waits([1; 1_000].into_iter()), 1_000);
        assert_eq!(waits(std::iter::empty()), 0);
    }

    #[test]
    fn a_growing_number_shortens_only_what_comes_after() {
        // 10, then waves of 10, 20 and 20.
        let growing = (1..=10).chain([10; 10]).chain(11..=20).chain([20; 30]);
        assert_eq!(waits(growing), 4);
    }

    #[test]
    fn a_sender_that_is_slow_gets_no_longer_bound() {
        // Fewer were under way in between: the most so far counts.
        assert_eq!(waits((1..=50).chain([50; 50])), 2);
    }
}
