//! The data of one event's store: what the host's functions may use while the guest runs.

use std::sync::Arc;

use tidegate_event::{ConnectionId, Payload, RequestId, RouteKey};
use tidegate_ports::Deadline;
use tidegate_release::ReleaseId;
use wasmtime::Result;
use wasmtime::component::ResourceTable;

use crate::limiter::Limiter;
use crate::ports::Ports;
use crate::routes::Route;
use crate::wasi::Wasi;

/// The most connections that one event's messages find gone and that are reaped after it.
const MAX_GONE: usize = 4_096;

/// What a log line of an event carries.
#[derive(Debug, Clone)]
pub(crate) struct EventTags {
    pub(crate) request_id: RequestId,
    pub(crate) connection_id: ConnectionId,
    pub(crate) route: RouteKey,
    /// The release that the event runs on.
    pub(crate) release: ReleaseId,
}

/// What an event leaves for the post-response phase.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// What the connection was sent during its own `$connect`, in order.
    pub(crate) deferred: Vec<Payload>,
    /// Connections that messaging found gone.
    pub(crate) gone: Vec<Gone>,
}

/// A connection that messaging found gone.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) id: ConnectionId,
    /// The group that lists it, where a broadcast found it.
    pub(crate) group: Option<Arc<str>>,
}

/// The data of one event's store.
pub(crate) struct State {
    pub(crate) tags: EventTags,
    pub(crate) route: Arc<Route>,
    pub(crate) ports: Arc<Ports>,
    /// Whether the connection is still being made, so that what it is sent must wait.
    pub(crate) connecting: bool,
    /// When the guest is interrupted.
    pub(crate) end: Deadline,
    /// By when ports answer: a little before the guest is interrupted, so that it can still act on the answer.
    pub(crate) deadline: Deadline,
    pub(crate) effects: Effects,
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: Option<Box<Wasi>>,
    budget: usize,
}

impl State {
    pub(crate) fn new(
        tags: EventTags,
        route: Arc<Route>,
        ports: Arc<Ports>,
        connecting: bool,
        end: Deadline,
        deadline: Deadline,
    ) -> Self {
        let limits = route.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            tags,
            route,
            ports,
            connecting,
            end,
            deadline,
            effects: Effects::default(),
            limiter: Limiter::new(limits.memory),
            table,
            wasi: None,
            budget: limits.host_call_bytes,
        }
    }

    /// Takes bytes that a host call moves, either way, from the event's budget; a trap when it has too few.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        if !self.affords(bytes) {
            let limit = self.route.limits.host_call_bytes;
            wasmtime::bail!("the budget of {limit} bytes for host calls is exhausted");
        }
        Ok(())
    }

    /// Takes the bytes of an answer from the event's budget, if it has as many: for calls that can say so and change
    /// nothing.
    pub(crate) fn affords(&mut self, bytes: usize) -> bool {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    pub(crate) fn own(&self) -> &ConnectionId {
        &self.tags.connection_id
    }

    pub(crate) fn found_gone(&mut self, id: &ConnectionId, group: Option<&Arc<str>>) {
        if self.effects.gone.len() < MAX_GONE {
            self.effects.gone.push(Gone { id: id.clone(), group: group.cloned() });
        }
    }
}
