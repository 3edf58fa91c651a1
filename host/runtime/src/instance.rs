//! A fresh instance for one event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_capability::Deadline;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types::{Connection, Error, Handshake, Reply, Request};
use crate::component::Component;
use crate::engine::{Engine, Slot};
use crate::ports::Ports;
use crate::router::Route;
use crate::state::{Effects, EventTags, State};
use crate::trap::Failure;

/// What is kept of an event's time for the work around the guest: the registry's clean-up, encoding and posting a reply.
pub const MARGIN: Duration = Duration::from_millis(100);
/// By how much ports answer before the guest is interrupted, at most; at most a tenth of the guest's time.
pub const PORT_MARGIN: Duration = Duration::from_millis(50);

/// A store for one event. Nothing outlives it but its [`Effects`].
pub(crate) struct Instance<'e> {
    // Dropped before the slot that it occupies.
    store: Store<State>,
    component: Arc<Component>,
    deadline: Instant,
    time: Duration,
    _slot: Slot<'e>,
}

/// What an event brings to its instance.
pub(crate) struct Event {
    pub(crate) tags: EventTags,
    pub(crate) connecting: bool,
    pub(crate) deadline: Deadline,
}

impl<'e> Instance<'e> {
    /// Waits for a slot and makes the store; the component is instantiated by the call.
    pub(crate) async fn new(
        engine: &'e Engine,
        route: &Arc<Route>,
        ports: &Arc<Ports>,
        event: Event,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let deadline = (now + route.limits.time).min(event.deadline.earlier(MARGIN).instant());
        let time = deadline.saturating_duration_since(now);
        let slot = engine.slot(Deadline::at(deadline)).await.ok_or(Failure::Busy)?;
        let ports_deadline = Deadline::at(deadline).earlier(PORT_MARGIN.min(time / 10));
        let state = State::new(event.tags, Arc::clone(route), Arc::clone(ports), event.connecting, ports_deadline);
        let mut store = Store::new(engine.wasmtime(), state);
        limit(&mut store, deadline);
        Ok(Self { store, component: Arc::clone(&route.component), deadline, time, _slot: slot })
    }

    /// Calls `handle` of a route.
    pub(crate) async fn handle(&mut self, request: &Request) -> Result<Result<Reply, Error>, Failure> {
        let Self { store, component, .. } = self;
        let call = async {
            let Some(indices) = &component.handler else { wasmtime::bail!("the component exports no handler") };
            let instance = component.pre.instantiate_async(&mut *store).await?;
            let guest = indices.load(&mut *store, &instance)?;
            guest.call_handle(&mut *store, request).await
        };
        within(call, self.deadline, self.time).await
    }

    /// Calls `authorize` of the authorizer.
    pub(crate) async fn authorize(
        &mut self,
        connection: &Connection,
        handshake: &Handshake,
    ) -> Result<Result<Decision, Error>, Failure> {
        let Self { store, component, .. } = self;
        let call = async {
            let Some(indices) = &component.authorizer else {
                wasmtime::bail!("the component exports no connect-authorizer")
            };
            let instance = component.pre.instantiate_async(&mut *store).await?;
            let guest = indices.load(&mut *store, &instance)?;
            guest.call_authorize(&mut *store, connection, handshake).await
        };
        within(call, self.deadline, self.time).await
    }

    /// Drops the store and the slot; what is left is for the post-response phase.
    pub(crate) fn close(mut self) -> Effects {
        std::mem::take(&mut self.store.data_mut().effects)
    }
}

/// Sets what an instance may use. At each tick a guest that computes lets the others run, and ends at its deadline.
fn limit(store: &mut Store<State>, deadline: Instant) {
    let limits = store.data().route.limits;
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits.host_call_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if Instant::now() >= deadline {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
}

/// Epochs interrupt a guest that computes; the timeout ends one whose host call waits.
async fn within<T>(
    call: impl Future<Output = wasmtime::Result<T>>,
    deadline: Instant,
    time: Duration,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(deadline.into(), call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure::from_error(&error, time)),
        Err(_) => Err(Failure::Timeout(time)),
    }
}
