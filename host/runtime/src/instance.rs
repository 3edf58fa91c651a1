//! A fresh instance for one event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ports::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types::{Connection, Error, Handshake, Reply, Request};
use crate::component::Component;
use crate::context::EventContext;
use crate::engine::Engine;
use crate::ports::Ports;
use crate::route::Route;
use crate::state::{Effects, EventData, State};
use crate::ticker::TickGuard;
use crate::trap::Failure;
use crate::warm::{WarmInstance, WarmPool};

/// The part of an event's time that is reserved for the work around the guest: the registry's clean-up, encoding and
/// posting the reply.
pub const MARGIN: Duration = Duration::from_millis(100);
/// Port calls return this long before the guest's deadline: 50 ms, or a tenth of the guest's time if that is less.
pub const PORT_MARGIN: Duration = Duration::from_millis(50);

/// An instance for one event. Only its [`Effects`] outlive it.
pub(crate) struct Instance<'e> {
    used: UsedStore,
    /// The instance, if a warm one was taken. Otherwise the call instantiates the component.
    warm: Option<wasmtime::component::Instance>,
    component: Arc<Component>,
    deadline: Instant,
    time: Duration,
    _tick_guard: TickGuard<'e>,
}

/// A store that an event has used, with its slots. Dropping the store takes time that no client should wait for.
pub(crate) struct UsedStore {
    // Dropped before the slots that it occupies.
    store: Store<State>,
    _slot: OwnedSemaphorePermit,
    _warm_slot: Option<OwnedSemaphorePermit>,
}

/// The input of an instance.
pub(crate) struct InstanceEvent {
    pub(crate) context: Arc<EventContext>,
    pub(crate) ports: Arc<Ports>,
    /// True during `$connect`.
    pub(crate) connecting: bool,
    /// The time by which the response must be posted.
    pub(crate) deadline: Deadline,
}

impl UsedStore {
    /// Returns the context of the event that used the store.
    pub(crate) fn context(&self) -> &Arc<EventContext> {
        &self.store.data().event.context
    }
}

impl<'e> Instance<'e> {
    /// Waits for a slot, and takes the route's warm instance. Without one, creates a store in which the call
    /// instantiates.
    pub(crate) async fn new(
        engine: &'e Engine,
        route: &Route,
        warm_pool: Option<&WarmPool>,
        event: InstanceEvent,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        let limit = now + route.permissions.limits.time;
        let deadline = limit.min(event.deadline.earlier(MARGIN).instant());
        let time = deadline.saturating_duration_since(now);
        let guest_deadline = Deadline::at(deadline);
        let slot = engine.slot(guest_deadline).await.ok_or(Failure::Busy)?;
        let data = EventData {
            context: event.context,
            ports: event.ports,
            connecting: event.connecting,
            guest_deadline,
            port_deadline: guest_deadline.earlier(PORT_MARGIN.min(time / 10)),
        };
        let mut warm = None;
        let mut warm_slot = None;
        let store = match warm_pool.and_then(|pool| pool.take(route)) {
            Some(WarmInstance { mut store, instance, permit }) => {
                store.data_mut().event = data;
                // The epoch has advanced since the instance was created.
                store.set_epoch_deadline(1);
                warm = Some(instance);
                warm_slot = Some(permit);
                store
            }
            None => State::new(data, Arc::clone(&route.permissions)).into_store(engine),
        };
        let used = UsedStore { store, _slot: slot, _warm_slot: warm_slot };
        let component = Arc::clone(&route.component);
        Ok(Self { used, warm, component, deadline, time, _tick_guard: engine.tick_guard() })
    }

    /// Calls `handle` of a route.
    pub(crate) async fn handle(&mut self, request: &Request) -> Result<Result<Reply, Error>, Failure> {
        let Self { used: UsedStore { store, .. }, warm, component, .. } = self;
        let call = async {
            let Some(indices) = &component.handler else { wasmtime::bail!("the component exports no handler") };
            let instance = match warm.take() {
                Some(instance) => instance,
                None => component.pre.instantiate_async(&mut *store).await?,
            };
            let guest = indices.load(&mut *store, &instance)?;
            guest.call_handle(&mut *store, request).await
        };
        with_deadline(call, self.deadline, self.time).await
    }

    /// Calls `authorize` of the authorizer.
    pub(crate) async fn authorize(
        &mut self,
        connection: &Connection,
        handshake: &Handshake,
    ) -> Result<Result<Decision, Error>, Failure> {
        let Self { used: UsedStore { store, .. }, component, .. } = self;
        let call = async {
            let Some(indices) = &component.authorizer else {
                wasmtime::bail!("the component exports no connect-authorizer")
            };
            let instance = component.pre.instantiate_async(&mut *store).await?;
            let guest = indices.load(&mut *store, &instance)?;
            guest.call_authorize(&mut *store, connection, handshake).await
        };
        with_deadline(call, self.deadline, self.time).await
    }

    /// Ends the event. The effects and the store are left for the post-response phase.
    pub(crate) fn close(mut self) -> (Effects, UsedStore) {
        (std::mem::take(&mut self.used.store.data_mut().effects), self.used)
    }
}

/// Runs a call with the guest's deadline. Epochs interrupt a CPU-bound guest. The timeout ends a guest that waits in a
/// host call.
async fn with_deadline<T>(
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
