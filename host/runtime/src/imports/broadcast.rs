//! A broadcast: the members of a group, a page at a time, each at most once.

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::messaging;
use tidegate_ports::registry::{self, MAX_PAGE_LIMIT};

use crate::bindings::tidegate::route::messaging::{Delivery, Error};
use crate::state::{EventTags, State};

/// Who is left out: those the guest named, and those that had the message from an earlier page.
struct Seen {
    excluded: HashSet<String>,
    earlier: HashSet<ConnectionId>,
}

/// Sends to every member that the registry lists. The next page is read while the last one is sent.
pub(super) async fn run(
    state: &mut State,
    group: &str,
    data: &Payload,
    excluding: Vec<String>,
) -> Result<Delivery, Error> {
    let mut seen = Seen { excluded: excluding.into_iter().collect(), earlier: HashSet::new() };
    let mut delivery = Delivery { delivered: 0, gone: 0, failed: 0, not_attempted: 0 };
    let ports = Arc::clone(&state.ports);
    let listed_by: Arc<str> = group.into();
    let deadline = state.deadline;
    let first = ports.registry.members(group, MAX_PAGE_LIMIT, None, deadline).await;
    let mut page = first.map_err(unlisted)?;
    loop {
        let mut targets = seen.filter(page.members, page.cursor.is_some());
        defer_own(state, &mut targets, data, &mut delivery);
        let next = match page.cursor {
            Some(cursor) => {
                let reading = ports.registry.members(group, MAX_PAGE_LIMIT, Some(&cursor), deadline);
                let (sent, next) = tokio::join!(state.send_page(&targets, data, Some(&listed_by)), reading);
                delivery.count(&sent);
                Some(next)
            }
            None => {
                delivery.count(&state.send_page(&targets, data, Some(&listed_by)).await);
                None
            }
        };
        match next {
            None => return Ok(delivery),
            Some(Ok(next)) => page = next,
            Some(Err(error)) if delivery.is_nothing() => return Err(unlisted(error)),
            Some(Err(error)) => {
                let EventTags { request_id, connection_id, route, release } = &state.tags;
                tracing::warn!(
                    requestId = %request_id, connectionId = %connection_id, route = %route, release = %release, group,
                    "a broadcast ended before all members were listed: {error}"
                );
                // The counts are worth more than an error, and the guest learns that they are not all.
                delivery.not_attempted += 1;
                return Ok(delivery);
            }
        }
    }
}

/// No member could be listed, and none has the message.
pub(super) fn unlisted(error: registry::Error) -> Error {
    match error {
        registry::Error::Invalid(problem) => Error::Invalid(problem),
        registry::Error::Throttled => Error::Throttled,
        _ => Error::Unavailable,
    }
}

/// During `$connect` the connection's own copy waits for its socket.
fn defer_own(state: &mut State, targets: &mut Vec<ConnectionId>, data: &Payload, delivery: &mut Delivery) {
    if !state.connecting {
        return;
    }
    let before = targets.len();
    targets.retain(|id| !state.defers(id));
    if targets.len() < before {
        match state.defer(data) {
            Ok(()) => delivery.delivered += 1,
            Err(_) => delivery.failed += 1,
        }
    }
}

impl Seen {
    fn filter(&mut self, members: Vec<ConnectionId>, more: bool) -> Vec<ConnectionId> {
        let first = self.earlier.is_empty();
        let mut targets = members;
        if !self.excluded.is_empty() {
            targets.retain(|id| !self.excluded.contains(id.as_str()));
        }
        if more || !first {
            // A member that joins while pages are read may be listed twice.
            targets.retain(|id| self.earlier.insert(id.clone()));
        }
        targets
    }
}

impl Delivery {
    /// Whether no member was sent to, nor tried.
    fn is_nothing(&self) -> bool {
        self.delivered == 0 && self.gone == 0 && self.failed == 0 && self.not_attempted == 0
    }

    fn count(&mut self, sent: &[Result<(), messaging::Error>]) {
        for sent in sent {
            let counter = match sent {
                Ok(()) => &mut self.delivered,
                Err(messaging::Error::Gone) => &mut self.gone,
                Err(messaging::Error::NotAttempted) => &mut self.not_attempted,
                Err(_) => &mut self.failed,
            };
            *counter += 1;
        }
    }
}
