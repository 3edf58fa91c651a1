//! Idle and two-hour closes.

use std::time::Duration;

use crate::closing::Close;
use crate::gateway::Gateway;
use crate::limits::Limits;
use crate::socket_table::Peer;

/// The minimum time between two scans of the connections. It bounds the cost when many connections expire one after the
/// other. A close is delayed by at most this time.
const GRANULARITY: Duration = Duration::from_secs(1);

/// Closes connections as they expire. Never returns.
///
/// One task scans all connections, instead of one timer for each connection. A frame only postpones the expiry of its
/// connection, and a new connection cannot expire before the earliest expiry of the last scan. The task can therefore
/// sleep until then.
pub(crate) async fn watch(gateway: &Gateway) {
    let limits = &gateway.limits;
    loop {
        let now = gateway.clock.elapsed();
        let mut next = now.saturating_add(limits.idle.min(limits.lifetime));
        for peer in gateway.sockets.all() {
            let (end, close) = end_of(&peer, limits);
            if end <= now {
                peer.outbox.close(close);
            } else {
                next = next.min(end);
            }
        }
        gateway.clock.sleep_until(next.max(now.saturating_add(GRANULARITY))).await;
    }
}

/// Returns the time at which a connection expires if no more frames arrive, and its close.
fn end_of(peer: &Peer, limits: &Limits) -> (Duration, Close) {
    let idle = peer.active().saturating_add(limits.idle);
    let lifetime = peer.created.saturating_add(limits.lifetime);
    if lifetime <= idle { (lifetime, Close::LIFETIME) } else { (idle, Close::IDLE) }
}
