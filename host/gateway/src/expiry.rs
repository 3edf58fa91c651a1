//! Idle and two-hour closes.

use std::time::Duration;

use crate::closing::Close;
use crate::connections::{Connections, Peer};

/// The shortest time between two looks at the connections, so that many of them that expire one after the other do not
/// cost a look each. A close comes at most this late.
const GRANULARITY: Duration = Duration::from_secs(1);

/// Closes connections as they expire; never ends.
///
/// One task looks at all connections instead of a timer each: frames only move a connection's end further away, and a
/// new one cannot end before the earliest end seen, so that the task sleeps until then.
pub(crate) async fn watch(connections: &Connections) {
    let clock = &connections.clock;
    loop {
        let now = clock.elapsed();
        let longest = now.saturating_add(connections.limits.idle.min(connections.limits.lifetime));
        let mut next = longest;
        for peer in connections.all() {
            let (end, close) = end_of(&peer, connections);
            if end <= now {
                peer.outbox.close(close);
            } else {
                next = next.min(end);
            }
        }
        clock.sleep_until(next.max(now.saturating_add(GRANULARITY))).await;
    }
}

/// When a connection ends if nothing more happens to it, and how.
fn end_of(peer: &Peer, connections: &Connections) -> (Duration, Close) {
    let idle = peer.active().saturating_add(connections.limits.idle);
    let lifetime = peer.made.saturating_add(connections.limits.lifetime);
    if lifetime <= idle { (lifetime, Close::LIFETIME) } else { (idle, Close::IDLE) }
}
