//! Broadcasts: a message to each member of a group, one page at a time.

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::messaging;
use tidegate_ports::registry::{self, MAX_PAGE_LIMIT};

use crate::bindings::tidegate::route::messaging::{Delivery, Error};
use crate::context::log_event;
use crate::state::State;

/// The members to leave out: those that the guest excludes, and those on earlier pages.
struct Exclusions {
    excluded: HashSet<String>,
    earlier: HashSet<ConnectionId>,
}

/// Sends to every member that the registry lists. The next page is read while the current one is sent.
pub(super) async fn run(
    state: &mut State,
    group: &str,
    data: &Payload,
    excluding: Vec<String>,
) -> Result<Delivery, Error> {
    let mut exclusions = Exclusions { excluded: excluding.into_iter().collect(), earlier: HashSet::new() };
    let mut delivery = Delivery { delivered: 0, gone: 0, failed: 0, not_attempted: 0 };
    let ports = Arc::clone(&state.event.ports);
    let Some(registry) = ports.registry() else { return Err(Error::Unavailable) };
    let listed_by: Arc<str> = group.into();
    let deadline = state.event.port_deadline;
    let first = {
        let (registry, group) = (Arc::clone(registry), Arc::clone(&listed_by));
        let call = async move { registry.members(&group, MAX_PAGE_LIMIT, None, deadline).await };
        state.event.database_call(false, call).await
    };
    let mut page = first.map_err(listing_error)?;
    loop {
        let mut targets = exclusions.filter(page.members, page.cursor.is_some());
        defer_own(state, &mut targets, data, &mut delivery);
        let next = match page.cursor {
            Some(cursor) => {
                let reading = registry.members(group, MAX_PAGE_LIMIT, Some(&cursor), deadline);
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
            Some(Err(error)) if delivery.is_empty() => return Err(listing_error(error)),
            Some(Err(error)) => {
                log_event!(
                    WARN,
                    &state.event.context,
                    group,
                    "a broadcast ended before all members were listed: {error}"
                );
                // The counts are more useful than an error, and `not-attempted` shows that they are incomplete.
                delivery.not_attempted += 1;
                return Ok(delivery);
            }
        }
    }
}

/// Converts the error of a broadcast that listed no member and therefore sent nothing.
pub(super) fn listing_error(error: registry::Error) -> Error {
    match error {
        registry::Error::Invalid(problem) => Error::Invalid(problem),
        registry::Error::Throttled => Error::Throttled,
        _ => Error::Unavailable,
    }
}

/// During `$connect`, defers the message to the event's own connection until its socket is open.
fn defer_own(state: &mut State, targets: &mut Vec<ConnectionId>, data: &Payload, delivery: &mut Delivery) {
    if !state.event.connecting {
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

impl Exclusions {
    fn filter(&mut self, members: Vec<ConnectionId>, more: bool) -> Vec<ConnectionId> {
        let first = self.earlier.is_empty();
        let mut targets = members;
        if !self.excluded.is_empty() {
            targets.retain(|id| !self.excluded.contains(id.as_str()));
        }
        if more || !first {
            // A member that joins while the pages are read may be listed twice.
            targets.retain(|id| self.earlier.insert(id.clone()));
        }
        targets
    }
}

impl Delivery {
    /// Returns true if no send was attempted and none was skipped.
    fn is_empty(&self) -> bool {
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
