//! One message to many connections, through an endpoint with a delay.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::aws::Aws;
use crate::events;
use crate::process::Process;

/// Number of connections.
pub const MEMBERS: usize = 1_000;
/// Duration of a post.
pub const POST: Duration = Duration::from_millis(10);

/// Measurements of a broadcast.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// Time from the event to the response.
    pub took: Duration,
    /// Maximum number of concurrent posts.
    pub in_flight: usize,
    /// Minimum possible time with this number of concurrent posts.
    pub bound: Duration,
}

/// Sends one chat message to a function. The stub's group must have [`MEMBERS`] members, and a post must take [`POST`].
///
/// # Errors
/// The function ended, did not respond, or did not post to every connection.
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

/// Returns the duration of the posts if only the endpoint took time. `in_flight` has, for each post, the maximum number
/// of concurrent posts so far. Post `n` begins when the post `in_flight[n]` places before it has ended.
#[must_use]
pub fn bound(in_flight: &[usize]) -> Duration {
    // For each post, the number of post durations after which it ends.
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
    fn constant_concurrency_takes_whole_durations() {
        // All posts begin at once, and arrive one after the other.
        assert_eq!(waits((1..=64).chain([64; 936])), 16);
        assert_eq!(waits(1..=1_000), 1);
        assert_eq!(waits([1; 1_000].into_iter()), 1_000);
        assert_eq!(waits(std::iter::empty()), 0);
    }

    #[test]
    fn growing_concurrency_shortens_later_posts_only() {
        // 10 posts, then waves of 10, 20 and 20.
        let growing = (1..=10).chain([10; 10]).chain(11..=20).chain([20; 30]);
        assert_eq!(waits(growing), 4);
    }

    #[test]
    fn lower_concurrency_later_does_not_raise_the_bound() {
        // The maximum so far counts, even if fewer posts were concurrent later.
        assert_eq!(waits((1..=50).chain([50; 50])), 2);
    }
}
