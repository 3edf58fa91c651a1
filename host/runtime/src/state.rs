//! The data of one event's store: everything that host functions use while the guest runs.

use std::sync::Arc;

use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::{Deadline, MemoryBudget, Reservation, registry, storage};
use wasmtime::component::ResourceTable;
use wasmtime::{Result, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::context::EventContext;
use crate::engine::Engine;
use crate::limiter::Limiter;
use crate::offload;
use crate::permissions::Permissions;
use crate::ports::Ports;
use crate::scheduler::{CpuLimit, Flight, end_of_slice, on_executor};
use crate::slots::{NoSlot, RouteSlots};
use crate::wasi::Wasi;

/// The maximum number of gone connections that are reaped after one event: what the reaper completes within a second on
/// AWS, 4 calls of 30 ms at a time. Further ones are found again by the next broadcast, or expire.
const MAX_GONE: usize = 128;

/// The part of an event that its store needs. A warm instance receives it when its event arrives.
pub(crate) struct EventData {
    pub(crate) context: Arc<EventContext>,
    pub(crate) ports: Arc<Ports>,
    /// True during `$connect`, so that messages to the connection wait until its socket is open.
    pub(crate) connecting: bool,
    /// The CPU time of the event.
    pub(crate) flight: Arc<Flight>,
    /// The route's share of the calls to the database.
    pub(crate) database_calls: Arc<RouteSlots>,
    /// The time at which the guest is interrupted.
    pub(crate) guest_deadline: Deadline,
    /// The time by which port calls return. It is a little before the guest is interrupted, so that the guest can act
    /// on the result.
    pub(crate) port_deadline: Deadline,
}

/// The work that an event leaves for the post-response phase.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Messages to the connection during its own `$connect`, in order.
    pub(crate) deferred: Vec<Payload>,
    /// The bytes of these messages in the memory budget of the process.
    pub(crate) deferred_memory: Option<Reservation>,
    /// Connections that messaging found gone.
    pub(crate) gone: Vec<Gone>,
}

/// A connection that messaging found gone.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) id: ConnectionId,
    /// The group that lists the connection, if a broadcast found it.
    pub(crate) group: Option<Arc<str>>,
}

/// The data of one event's store.
pub(crate) struct State {
    pub(crate) event: EventData,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) effects: Effects,
    pub(crate) table: ResourceTable,
    limiter: Limiter,
    wasi: Option<Box<Wasi>>,
    /// The remaining budget for host calls, in bytes.
    budget: usize,
}

impl EventData {
    /// Runs a call to the database, once the route may make one more. At the deadline, the call is throttled. A call
    /// that is large leaves the threads of the executor.
    pub(crate) async fn database_call<T: Send + 'static, E: From<NoSlot> + Send + 'static>(
        &self,
        is_large: bool,
        call: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
    ) -> std::result::Result<T, E> {
        on_executor(async {
            let connection = &self.context.connection_id;
            let _slot = self.database_calls.slot(connection, self.port_deadline, None).await?;
            offload::complete(is_large, &self.flight, call).await
        })
        .await
    }
}

impl From<NoSlot> for storage::Error {
    fn from(_: NoSlot) -> Self {
        Self::Throttled
    }
}

impl From<NoSlot> for registry::Error {
    fn from(_: NoSlot) -> Self {
        Self::Throttled
    }
}

impl State {
    /// Creates the data of an instance that was admitted with `memory`.
    pub(crate) fn new(event: EventData, permissions: Arc<Permissions>, memory: Reservation) -> Self {
        let limits = permissions.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            event,
            permissions,
            effects: Effects::default(),
            table,
            limiter: Limiter::new(limits.memory, memory),
            wasi: None,
            budget: limits.host_call_bytes,
        }
    }

    /// Creates the store of an instance, with the route's limits.
    ///
    /// At each tick, a CPU-bound guest yields to the other guests. It is interrupted once its deadline has passed or
    /// its CPU time is used up.
    pub(crate) fn into_store(self, engine: &Engine) -> Store<Self> {
        let limits = self.permissions.limits;
        let mut store = Store::new(engine.wasmtime(), self);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.host_call_bytes);
        store.set_max_component_handles(limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |context| {
            let event = &context.data().event;
            if event.guest_deadline.has_passed() {
                return Ok(UpdateDeadline::Interrupt);
            }
            let (used, is_over) = event.flight.tick();
            if used > limits.cpu {
                return Err(CpuLimit(limits.cpu).into());
            }
            Ok(match is_over {
                true => UpdateDeadline::YieldCustom(1, Box::pin(end_of_slice())),
                false => UpdateDeadline::Continue(1),
            })
        });
        store
    }

    /// Returns true if the guest has called WASI, which binds its output to the event's context.
    pub(crate) fn has_used_wasi(&self) -> bool {
        self.wasi.is_some()
    }

    /// Subtracts the bytes that a host call moves, in either direction, from the event's budget.
    ///
    /// # Errors
    /// A trap if the remaining budget is smaller.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        if !self.try_charge(bytes) {
            let limit = self.permissions.limits.host_call_bytes;
            wasmtime::bail!("the budget of {limit} bytes for host calls is exhausted");
        }
        Ok(())
    }

    /// Subtracts the bytes of an answer from the event's budget and returns true. If the remaining budget is smaller,
    /// subtracts nothing and returns false. Use this only for calls without side effects that can report the failure as
    /// an error.
    pub(crate) fn try_charge(&mut self, bytes: usize) -> bool {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    /// Returns the memory budget of the process.
    pub(crate) fn memory(&self) -> &MemoryBudget {
        self.limiter.budget()
    }

    /// Returns the connection of the event.
    pub(crate) fn own_connection(&self) -> &ConnectionId {
        &self.event.context.connection_id
    }

    /// Records that a connection is gone, so that the post-response phase reaps it.
    pub(crate) fn record_gone(&mut self, id: &ConnectionId, group: Option<&Arc<str>>) {
        if self.effects.gone.len() < MAX_GONE {
            self.effects.gone.push(Gone { id: id.clone(), group: group.cloned() });
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let context = &self.event.context;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(Arc::clone(context))));
        wasi.view(&mut self.table)
    }
}
