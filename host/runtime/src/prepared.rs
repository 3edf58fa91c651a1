//! The next instance, made before its event: the post-response phase takes instantiation off the next event's time.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_capability::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::engine::Engine;
use crate::instance;
use crate::ports::Ports;
use crate::router::Route;
use crate::state::{EventTags, State};

/// An instance that has seen no event. It is used by one event, as any other.
pub(crate) struct Prepared {
    pub(crate) store: Store<State>,
    pub(crate) instance: wasmtime::component::Instance,
    /// Its share of the pool; returned after the store is dropped.
    pub(crate) spare: OwnedSemaphorePermit,
}

/// Where a route's next instance waits. Beside the route rather than in it: the instance refers to its route.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Option<Prepared>>);

impl Shelf {
    /// The instance that waits, if one does.
    pub(crate) fn take(&self) -> Option<Prepared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Makes the next instance unless one waits or the engine has no room to spare.
    pub(crate) async fn fill(&self, engine: &Engine, route: &Arc<Route>, ports: &Arc<Ports>, tags: EventTags) {
        if self.is_filled() {
            return;
        }
        // Nothing depends on it: a component that fails to instantiate fails its next event, which says so.
        let prepared = prepare(engine, route, ports, tags).await;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = prepared;
    }
}

/// `tags` are those of the event before, in whose post-response phase this is.
async fn prepare(engine: &Engine, route: &Arc<Route>, ports: &Arc<Ports>, tags: EventTags) -> Option<Prepared> {
    let spare = engine.spare()?;
    let _running = engine.running();
    let deadline = Deadline::after(route.limits.time);
    let state = State::new(tags, Arc::clone(route), Arc::clone(ports), false, deadline, deadline);
    let mut store = instance::store(engine, state);
    let instantiating = route.component.pre.instantiate_async(&mut store);
    let instance = tokio::time::timeout_at(deadline.instant().into(), instantiating).await.ok()?.ok()?;
    // A guest that has logged while it started would go on logging under the tags of the event before.
    store.data().wasi.is_none().then_some(Prepared { store, instance, spare })
}
