//! Warm instances: the post-response phase instantiates a route's component for the next event, which then need not
//! wait for the instantiation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_ports::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::context::EventContext;
use crate::engine::Engine;
use crate::ports::Ports;
use crate::route::Route;
use crate::state::{EventData, State};

/// An instance that has seen no event. Exactly one event uses it.
pub(crate) struct WarmInstance {
    pub(crate) store: Store<State>,
    pub(crate) instance: wasmtime::component::Instance,
    /// The permit of the instance, returned after the store is dropped.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The warm instances of a release's routes, the newest last.
#[derive(Default)]
pub(crate) struct WarmPool(Mutex<Vec<WarmInstance>>);

impl WarmPool {
    /// Takes the warm instance of this route, if there is one.
    pub(crate) fn take(&self, route: &Route) -> Option<WarmInstance> {
        let mut instances = self.lock();
        let index = instances.iter().position(|instance| instance.is_of(route))?;
        Some(instances.remove(index))
    }

    /// Returns true if an instance of this route is warm.
    pub(crate) fn holds(&self, route: &Route) -> bool {
        self.lock().iter().any(|instance| instance.is_of(route))
    }

    /// Creates a warm instance of the route unless there is one.
    ///
    /// If the engine has no room, the oldest instance is dropped, because the route that ran last is the most likely to
    /// run next. If a component fails to instantiate, its next event reports the failure.
    pub(crate) async fn fill(&self, engine: &Engine, route: &Route, ports: Arc<Ports>, context: Arc<EventContext>) {
        if self.holds(route) {
            return;
        }
        let Some(permit) = engine.warm_slot().or_else(|| self.make_room(engine)) else { return };
        if let Some(instance) = instantiate(engine, route, ports, context, permit).await {
            self.lock().push(instance);
        }
    }

    fn make_room(&self, engine: &Engine) -> Option<OwnedSemaphorePermit> {
        let mut instances = self.lock();
        let oldest = if instances.is_empty() { None } else { Some(instances.remove(0)) };
        drop(instances);
        drop(oldest?);
        engine.warm_slot()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<WarmInstance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WarmInstance {
    fn is_of(&self, route: &Route) -> bool {
        Arc::ptr_eq(&self.store.data().permissions, &route.permissions)
    }
}

/// Creates a warm instance in the post-response phase of the previous event, whose context is `context`.
async fn instantiate(
    engine: &Engine,
    route: &Route,
    ports: Arc<Ports>,
    context: Arc<EventContext>,
    permit: OwnedSemaphorePermit,
) -> Option<WarmInstance> {
    let tick_guard = engine.tick_guard();
    let deadline = Deadline::after(route.permissions.limits.time);
    let flight = engine.scheduler().begin(&route.account, &context);
    let event = EventData {
        context,
        ports,
        connecting: false,
        flight: Arc::clone(&flight),
        database_calls: Arc::clone(&route.database_calls),
        guest_deadline: deadline,
        port_deadline: deadline,
    };
    let memory = route.component.admit_warm(engine)?;
    let mut store = State::new(event, Arc::clone(&route.permissions), memory).into_store(engine);
    let component = Arc::clone(&route.component);
    let instantiating = engine.scheduler().run(flight, None, async move {
        let _tick_guard = tick_guard;
        let instance = component.pre.instantiate_async(&mut store).await;
        (instance, store)
    });
    let (instance, store) = tokio::time::timeout_at(deadline.instant().into(), instantiating).await.ok()??;
    let instance = instance.ok()?;
    // A guest that logs while it starts would keep logging with the context of the previous event.
    (!store.data().has_used_wasi()).then_some(WarmInstance { store, instance, permit })
}
