//! A fresh instance for one event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_ports::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types::{Connection, Error, Handshake, Reply, Request};
use crate::component::Component;
use crate::context::EventContext;
use crate::engine::Engine;
use crate::ports::Ports;
use crate::route::Route;
use crate::scheduler::Flight;
use crate::slots::Slot;
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
    guest: Guest,
    terms: Terms<'e>,
}

/// The store in which a guest runs.
struct Guest {
    used: UsedStore,
    /// The instance, if a warm one was taken. Otherwise the call instantiates the component.
    warm: Option<wasmtime::component::Instance>,
    component: Arc<Component>,
    _tick_guard: TickGuard,
}

/// The scheduler and the time limit of a guest.
struct Terms<'e> {
    engine: &'e Engine,
    flight: Arc<Flight>,
    client: Option<CancellationToken>,
    deadline: Instant,
    time: Duration,
}

/// The end of a call.
pub(crate) struct Ended<T> {
    pub(crate) called: Result<T, Failure>,
    pub(crate) effects: Effects,
    /// The used store, which is left for the post-response phase. `None` if the call was interrupted.
    pub(crate) used: Option<UsedStore>,
}

/// A store that an event has used, with its slots. Dropping the store takes time that no client should wait for.
pub(crate) struct UsedStore {
    // Dropped before the slots that it occupies.
    store: Store<State>,
    _slot: Slot,
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
    /// Cancelled when the client has left. An event that has not begun is then dropped.
    pub(crate) client: Option<CancellationToken>,
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
        let InstanceEvent { context, ports, connecting, deadline, client } = event;
        let latest = deadline.earlier(MARGIN);
        // The time limit of the route begins with the slot, as Lambda's begins when an environment is free.
        let slot = route.slots.slot(&context.connection_id, latest, client.as_ref()).await?;
        let now = Instant::now();
        let deadline = latest.instant().min(now + route.permissions.limits.time);
        let time = deadline.saturating_duration_since(now);
        let guest_deadline = Deadline::at(deadline);
        let flight = engine.scheduler().begin(&route.account, &context);
        let data = EventData {
            context,
            ports,
            connecting,
            flight: Arc::clone(&flight),
            database_calls: Arc::clone(&route.database_calls),
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
            None => {
                let memory = route.component.admit(engine, guest_deadline).await?;
                State::new(data, Arc::clone(&route.permissions), memory).into_store(engine)
            }
        };
        let used = UsedStore { store, _slot: slot, _warm_slot: warm_slot };
        let component = Arc::clone(&route.component);
        let guest = Guest { used, warm, component, _tick_guard: engine.tick_guard() };
        Ok(Self { guest, terms: Terms { engine, flight, client, deadline, time } })
    }

    /// Calls `handle` of a route.
    pub(crate) async fn handle(self, request: Request) -> Ended<Result<Reply, Error>> {
        let Self { mut guest, terms } = self;
        let call = async move { (guest.handle(&request).await, guest.used) };
        terms.run(call).await
    }

    /// Calls `authorize` of the authorizer.
    pub(crate) async fn authorize(
        self,
        connection: Connection,
        handshake: Handshake,
    ) -> Ended<Result<Decision, Error>> {
        let Self { mut guest, terms } = self;
        let call = async move { (guest.authorize(&connection, &handshake).await, guest.used) };
        terms.run(call).await
    }
}

impl Guest {
    async fn handle(&mut self, request: &Request) -> wasmtime::Result<Result<Reply, Error>> {
        let instance = self.instance().await?;
        let Some(indices) = &self.component.handler else { wasmtime::bail!("the component exports no handler") };
        let store = &mut self.used.store;
        let guest = indices.load(&mut *store, &instance)?;
        guest.call_handle(store, request).await
    }

    async fn authorize(
        &mut self,
        connection: &Connection,
        handshake: &Handshake,
    ) -> wasmtime::Result<Result<Decision, Error>> {
        let instance = self.instance().await?;
        let Some(indices) = &self.component.authorizer else {
            wasmtime::bail!("the component exports no connect-authorizer")
        };
        let store = &mut self.used.store;
        let guest = indices.load(&mut *store, &instance)?;
        guest.call_authorize(store, connection, handshake).await
    }

    async fn instance(&mut self) -> wasmtime::Result<wasmtime::component::Instance> {
        match self.warm.take() {
            Some(instance) => Ok(instance),
            None => self.component.pre.instantiate_async(&mut self.used.store).await,
        }
    }
}

impl Terms<'_> {
    /// Runs a call until the guest's deadline. Epochs interrupt a CPU-bound guest. The timeout ends a guest that waits
    /// in a host call or for a guest thread.
    fn run<T: Send + 'static>(
        self,
        call: impl Future<Output = (wasmtime::Result<T>, UsedStore)> + Send + 'static,
    ) -> impl Future<Output = Ended<T>> + Send {
        let Self { engine, flight, client, deadline, time } = self;
        let run = engine.scheduler().run(Arc::clone(&flight), client, call);
        end_in_time(flight, deadline, time, run)
    }
}

async fn end_in_time<T>(
    flight: Arc<Flight>,
    deadline: Instant,
    time: Duration,
    run: impl Future<Output = Option<(wasmtime::Result<T>, UsedStore)>>,
) -> Ended<T> {
    let failure = match tokio::time::timeout_at(deadline.into(), run).await {
        Ok(Some((outcome, mut used))) => {
            let called = outcome.map_err(|error| Failure::from_error(&error, time));
            let effects = std::mem::take(&mut used.store.data_mut().effects);
            return Ended { called, effects, used: Some(used) };
        }
        Ok(None) => Failure::Abandoned,
        // The guest has not run at all.
        Err(_) if flight.cpu().is_zero() => Failure::Busy,
        Err(_) => Failure::Timeout(time),
    };
    Ended { called: Err(failure), effects: Effects::default(), used: None }
}
