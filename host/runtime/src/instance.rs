//! A fresh instance for one event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ports::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types::{Connection, Error, Handshake, Reply, Request};
use crate::component::Component;
use crate::engine::Engine;
use crate::ports::Ports;
use crate::routes::Route;
use crate::state::{Effects, EventTags, State};
use crate::ticker::TickGuard;
use crate::trap::Failure;
use crate::warm::{WarmInstance, WarmPool};

/// What is kept of an event's time for the work around the guest: the registry's clean-up, encoding and posting a reply.
pub const MARGIN: Duration = Duration::from_millis(100);
/// By how much ports answer before the guest is interrupted, at most; at most a tenth of the guest's time.
pub const PORT_MARGIN: Duration = Duration::from_millis(50);

/// A store for one event. Nothing outlives it but its [`Effects`].
pub(crate) struct Instance<'e> {
    used: Used,
    prepared: Option<wasmtime::component::Instance>,
    component: Arc<Component>,
    deadline: Instant,
    time: Duration,
    _running: TickGuard<'e>,
}

/// A store that an event has used, with what it occupies: dropping it takes time that no client need wait for.
pub(crate) struct Used {
    // Dropped before the slots that it occupies.
    store: Store<State>,
    _slot: OwnedSemaphorePermit,
    _spare: Option<OwnedSemaphorePermit>,
}

/// What an event brings to its instance.
pub(crate) struct Event {
    pub(crate) tags: EventTags,
    pub(crate) connecting: bool,
    pub(crate) deadline: Deadline,
}

impl Used {
    /// The event that used it.
    pub(crate) fn tags(&self) -> &EventTags {
        &self.store.data().tags
    }
}

impl<'e> Instance<'e> {
    /// Waits for a slot, and takes the instance that was prepared or makes the store of one, which the call instantiates.
    pub(crate) async fn new(
        engine: &'e Engine,
        route: &Arc<Route>,
        warm_pool: Option<&WarmPool>,
        ports: &Arc<Ports>,
        event: Event,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let deadline = (now + route.limits.time).min(event.deadline.earlier(MARGIN).instant());
        let time = deadline.saturating_duration_since(now);
        let _slot = engine.slot(Deadline::at(deadline)).await.ok_or(Failure::Busy)?;
        let ports_deadline = Deadline::at(deadline).earlier(PORT_MARGIN.min(time / 10));
        let end = Deadline::at(deadline);
        let (store, prepared, _spare) = match warm_pool.and_then(|warm_pool| warm_pool.take(route)) {
            Some(WarmInstance { mut store, instance, spare }) => {
                let state = store.data_mut();
                (state.tags, state.ports, state.connecting) = (event.tags, Arc::clone(ports), event.connecting);
                (state.end, state.deadline) = (end, ports_deadline);
                // Epochs have passed since it was made.
                store.set_epoch_deadline(1);
                (store, Some(instance), Some(spare))
            }
            None => {
                let (route, ports) = (Arc::clone(route), Arc::clone(ports));
                let state = State::new(event.tags, route, ports, event.connecting, end, ports_deadline);
                (store(engine, state), None, None)
            }
        };
        let used = Used { store, _slot, _spare };
        let component = Arc::clone(&route.component);
        Ok(Self { used, prepared, component, deadline, time, _running: engine.tick_guard() })
    }

    /// Calls `handle` of a route.
    pub(crate) async fn handle(&mut self, request: &Request) -> Result<Result<Reply, Error>, Failure> {
        let Self { used: Used { store, .. }, prepared, component, .. } = self;
        let call = async {
            let Some(indices) = &component.handler else { wasmtime::bail!("the component exports no handler") };
            let instance = match prepared.take() {
                Some(instance) => instance,
                None => component.pre.instantiate_async(&mut *store).await?,
            };
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
        let Self { used: Used { store, .. }, component, .. } = self;
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

    /// Ends the event: what is left is for the post-response phase, the store included.
    pub(crate) fn close(mut self) -> (Effects, Used) {
        (std::mem::take(&mut self.used.store.data_mut().effects), self.used)
    }
}

/// A store with what its instance may use. At each tick a guest that computes lets the others run, and ends at its
/// deadline.
pub(crate) fn store(engine: &Engine, state: State) -> Store<State> {
    let limits = state.route.limits;
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits.host_call_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        if context.data().end.has_passed() {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
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
