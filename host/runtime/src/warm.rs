//! The next instance, made before its event: the post-response phase takes instantiation off the next event's time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_ports::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::engine::Engine;
use crate::instance;
use crate::ports::Ports;
use crate::routes::Route;
use crate::state::{EventTags, State};

/// An instance that has seen no event. It is used by one event, as any other.
pub(crate) struct WarmInstance {
    pub(crate) store: Store<State>,
    pub(crate) instance: wasmtime::component::Instance,
    /// Its share of the pool; returned after the store is dropped.
    pub(crate) spare: OwnedSemaphorePermit,
}

/// Where the next instances of a release's routes wait, the latest last. Beside the routes rather than in them: an instance
/// refers to its route.
#[derive(Default)]
pub(crate) struct WarmPool(Mutex<Vec<WarmInstance>>);

impl WarmPool {
    /// The instance that waits for an event of this route, if one does.
    pub(crate) fn take(&self, route: &Arc<Route>) -> Option<WarmInstance> {
        let mut waiting = self.waiting();
        let index = waiting.iter().position(|prepared| prepared.is_of(route))?;
        Some(waiting.remove(index))
    }

    pub(crate) fn holds(&self, route: &Arc<Route>) -> bool {
        self.waiting().iter().any(|prepared| prepared.is_of(route))
    }

    /// Makes the route's next instance unless one waits. Where the engine has no room to spare, the one that waits longest
    /// makes room: the route that was asked for last is the likeliest to be asked for next.
    pub(crate) async fn fill(&self, engine: &Engine, route: &Arc<Route>, ports: &Arc<Ports>, tags: EventTags) {
        if self.holds(route) {
            return;
        }
        let Some(spare) = engine.spare().or_else(|| self.make_room(engine)) else { return };
        // Nothing depends on it: a component that fails to instantiate fails its next event, which says so.
        if let Some(prepared) = prepare(engine, route, ports, tags, spare).await {
            self.waiting().push(prepared);
        }
    }

    fn make_room(&self, engine: &Engine) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting();
        let longest = if waiting.is_empty() { None } else { Some(waiting.remove(0)) };
        drop(waiting);
        drop(longest?);
        engine.spare()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<WarmInstance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WarmInstance {
    fn is_of(&self, route: &Arc<Route>) -> bool {
        Arc::ptr_eq(&self.store.data().route, route)
    }
}

/// `tags` are those of the event before, in whose post-response phase this is.
async fn prepare(
    engine: &Engine,
    route: &Arc<Route>,
    ports: &Arc<Ports>,
    tags: EventTags,
    spare: OwnedSemaphorePermit,
) -> Option<WarmInstance> {
    let _running = engine.tick_guard();
    let deadline = Deadline::after(route.limits.time);
    let state = State::new(tags, Arc::clone(route), Arc::clone(ports), false, deadline, deadline);
    let mut store = instance::store(engine, state);
    let instantiating = route.component.pre.instantiate_async(&mut store);
    let instance = tokio::time::timeout_at(deadline.instant().into(), instantiating).await.ok()?.ok()?;
    // A guest that has logged while it started would go on logging under the tags of the event before.
    store.data().wasi.is_none().then_some(WarmInstance { store, instance, spare })
}
