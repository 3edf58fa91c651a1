//! `tidegate:route/messaging`: messages to connections.

use std::sync::Arc;

use tidegate_app::grants::{GroupPattern, MessagingGrant, Scope};
use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::Messaging;
use tidegate_ports::messaging::{self, MAX_DEFERRED, MAX_DEFERRED_BYTES, MAX_EXCLUDED, MAX_TARGETS, check_payload};
use tidegate_ports::registry::check_group;
use wasmtime::Result;

use super::{at_most, broadcast, connection_id};
use crate::bindings::tidegate::route::messaging::{Delivery, Error, Host, Socket};
use crate::bindings::tidegate::route::types as wit;
use crate::convert;
use crate::scheduler::on_executor;
use crate::state::State;

type Outcome<T> = Result<std::result::Result<T, Error>>;
type Sent = std::result::Result<(), Error>;

impl Host for State {
    async fn send(&mut self, to: String, data: wit::Payload) -> Outcome<()> {
        let data = convert::payload(data);
        self.charge(to.len() + data.len())?;
        let to = attempt!(connection_id(to));
        attempt!(self.check_scope(&to, |grant| grant.send));
        attempt!(check_payload(&data));
        if self.defers(&to) {
            return Ok(self.defer(&data));
        }
        let sent = on_executor(attempt!(self.messaging()).send(&to, &data, self.event.port_deadline)).await;
        if sent == Err(messaging::Error::Gone) {
            self.record_gone(&to, None);
        }
        Ok(sent.map_err(Error::from))
    }

    async fn send_many(&mut self, to: Vec<String>, data: wit::Payload) -> Outcome<Vec<Sent>> {
        let data = convert::payload(data);
        self.charge(to.iter().map(String::len).sum::<usize>() + data.len())?;
        attempt!(self.check_messaging(|grant| grant.send.is_some()));
        attempt!(at_most("targets", to.len(), MAX_TARGETS));
        attempt!(check_payload(&data));
        let mut results: Vec<Sent> = Vec::with_capacity(to.len());
        let mut places = Vec::new();
        let mut targets = Vec::new();
        for (place, text) in to.into_iter().enumerate() {
            results.push(match self.target(text) {
                Ok(id) if self.defers(&id) => self.defer(&data),
                Ok(id) => {
                    places.push(place);
                    targets.push(id);
                    Err(Error::Unavailable)
                }
                Err(error) => Err(error),
            });
        }
        let sent = on_executor(self.send_page(&targets, &data, None)).await;
        for (place, sent) in places.into_iter().zip(sent) {
            if let Some(result) = results.get_mut(place) {
                *result = sent.map_err(Error::from);
            }
        }
        Ok(Ok(results))
    }

    async fn broadcast(&mut self, group: String, data: wit::Payload, excluding: Vec<String>) -> Outcome<Delivery> {
        let data = convert::payload(data);
        self.charge(group.len() + data.len() + excluding.iter().map(String::len).sum::<usize>())?;
        attempt!(self.check_messaging(|grant| covers(&grant.broadcast, &group)));
        attempt!(check_group(&group).map_err(broadcast::listing_error));
        attempt!(at_most("excluded connections", excluding.len(), MAX_EXCLUDED));
        attempt!(check_payload(&data));
        Ok(on_executor(broadcast::run(self, &group, &data, excluding)).await)
    }

    async fn describe(&mut self, id: String) -> Outcome<Socket> {
        self.charge(id.len())?;
        let id = attempt!(connection_id(id));
        attempt!(self.check_scope(&id, |grant| grant.describe));
        let socket = attempt!(on_executor(attempt!(self.messaging()).describe(&id, self.event.port_deadline)).await);
        self.charge(socket.source_ip.len() + socket.user_agent.as_ref().map_or(0, String::len))?;
        Ok(Ok(Socket {
            connected_at: socket.connected_at.millis(),
            last_active_at: socket.last_active_at.millis(),
            source_ip: socket.source_ip,
            user_agent: socket.user_agent,
        }))
    }

    async fn close(&mut self, id: String) -> Outcome<()> {
        self.charge(id.len())?;
        let id = attempt!(connection_id(id));
        attempt!(self.check_scope(&id, |grant| grant.close));
        attempt!(on_executor(attempt!(self.messaging()).close(&id, self.event.port_deadline)).await);
        Ok(Ok(()))
    }
}

impl State {
    fn messaging(&self) -> std::result::Result<&dyn Messaging, Error> {
        self.event.ports.messaging().ok_or(Error::Forbidden)
    }

    fn check_messaging(&self, allows: impl FnOnce(&MessagingGrant) -> bool) -> std::result::Result<(), Error> {
        if self.permissions.grants.messaging.as_ref().is_some_and(allows) { Ok(()) } else { Err(Error::Forbidden) }
    }

    fn check_scope(&self, id: &ConnectionId, scope: impl FnOnce(&MessagingGrant) -> Option<Scope>) -> Sent {
        let own = id == self.own_connection();
        self.check_messaging(|grant| match scope(grant) {
            Some(Scope::Any) => true,
            Some(Scope::Own) => own,
            None => false,
        })
    }

    fn target(&self, text: String) -> std::result::Result<ConnectionId, Error> {
        let id = connection_id(text)?;
        self.check_scope(&id, |grant| grant.send)?;
        Ok(id)
    }

    /// Returns true if a message to `id` must wait until its socket is open.
    pub(super) fn defers(&self, id: &ConnectionId) -> bool {
        self.event.connecting && id == self.own_connection()
    }

    /// Keeps a message for the event's own connection until its socket is open.
    pub(super) fn defer(&mut self, data: &Payload) -> Sent {
        let deferred = &self.effects.deferred;
        let bytes = deferred.iter().map(Payload::len).sum::<usize>() + data.len();
        if deferred.len() >= MAX_DEFERRED || bytes > MAX_DEFERRED_BYTES {
            return Err(Error::Throttled);
        }
        let holder = self.memory().holder();
        let memory = self.effects.deferred_memory.get_or_insert(holder);
        memory.try_grow(data.len()).map_err(|_| Error::Throttled)?;
        self.effects.deferred.push(data.clone());
        Ok(())
    }

    /// Sends to a page of targets and returns a result for each. Targets that are gone are reaped after the event,
    /// from the group that listed them.
    pub(super) async fn send_page(
        &mut self,
        targets: &[ConnectionId],
        data: &Payload,
        group: Option<&Arc<str>>,
    ) -> Vec<std::result::Result<(), messaging::Error>> {
        if targets.is_empty() {
            return Vec::new();
        }
        let mut sent = match self.event.ports.messaging() {
            Some(messaging) => messaging.send_many(targets, data, self.event.port_deadline).await,
            None => Vec::new(),
        };
        sent.resize(targets.len(), Err(messaging::Error::Unavailable));
        for (id, sent) in targets.iter().zip(&sent) {
            if *sent == Err(messaging::Error::Gone) {
                self.record_gone(id, group);
            }
        }
        sent
    }
}

fn covers(patterns: &[GroupPattern], group: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(group))
}

impl From<String> for Error {
    fn from(problem: String) -> Self {
        Self::Invalid(problem)
    }
}

impl From<messaging::Error> for Error {
    fn from(error: messaging::Error) -> Self {
        match error {
            messaging::Error::Gone => Self::Gone,
            messaging::Error::Forbidden => Self::Forbidden,
            messaging::Error::Invalid(problem) => Self::Invalid(problem),
            messaging::Error::TooLarge => Self::TooLarge,
            // Nothing was sent, so the guest may try again with more time, which is the meaning of `throttled`.
            messaging::Error::Throttled | messaging::Error::NotAttempted => Self::Throttled,
            _ => Self::Unavailable,
        }
    }
}
