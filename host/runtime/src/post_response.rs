//! The work after the response is posted and before the next event arrives. Lambda freezes the process after this work.

use std::fmt;
use std::sync::Arc;

use tidegate_ports::Deadline;

use crate::context::{EventContext, log_event};
use crate::engine::Engine;
use crate::instance::UsedStore;
use crate::ports::Ports;
use crate::route::Route;
use crate::state::Effects;
use crate::warm::WarmPool;

/// The work that one event leaves for the time after its response is posted.
#[must_use = "a greeting that was sent during `$connect` is lost unless this runs"]
pub struct PostResponse {
    effects: Option<PendingEffects>,
    next: Option<NextInstance>,
}

/// The used store, which is dropped, and the parts that the route's next instance is created from.
struct NextInstance {
    used: UsedStore,
    engine: Engine,
    route: Arc<Route>,
    warm_pool: Arc<WarmPool>,
    ports: Arc<Ports>,
}

#[derive(Debug)]
struct PendingEffects {
    context: Arc<EventContext>,
    effects: Effects,
    ports: Arc<Ports>,
    engine: Engine,
}

impl PostResponse {
    /// Returns a phase without work.
    pub(crate) fn nothing() -> Self {
        Self { effects: None, next: None }
    }

    /// Returns the phase that delivers the deferred messages of an event and reaps the gone connections that it found.
    pub(crate) fn new(engine: &Engine, context: &Arc<EventContext>, effects: Effects, ports: &Arc<Ports>) -> Self {
        if effects.deferred.is_empty() && effects.gone.is_empty() {
            return Self::nothing();
        }
        let effects =
            PendingEffects { context: Arc::clone(context), effects, ports: Arc::clone(ports), engine: engine.clone() };
        Self { effects: Some(effects), next: None }
    }

    /// Adds the used store and the route's next instance to the phase if the engine keeps instances warm. Otherwise
    /// drops the store now.
    pub(crate) fn then_warm(
        mut self,
        engine: &Engine,
        route: &Arc<Route>,
        warm_pool: &Arc<WarmPool>,
        ports: &Arc<Ports>,
        used: Option<UsedStore>,
    ) -> Self {
        self.next = used.filter(|_| engine.keeps_warm()).map(|used| NextInstance {
            used,
            engine: engine.clone(),
            route: Arc::clone(route),
            warm_pool: Arc::clone(warm_pool),
            ports: Arc::clone(ports),
        });
        self
    }

    /// Returns true if there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effects.is_none() && self.next.is_none()
    }

    /// Runs the phase until it is complete or the deadline has passed. Work that is left then is dropped and logged.
    ///
    /// Messages that were deferred during `$connect` are delivered in order, connections that were found gone are
    /// reaped, and the route's next instance is created.
    pub async fn run(self, deadline: Deadline) {
        let Self { effects, next } = self;
        // First, because the store occupies a slot that another event may wait for.
        let warming = next.map(NextInstance::free_store);
        if let Some(effects) = effects {
            effects.run(deadline).await;
        }
        if let Some(warming) = warming {
            // The next event does not depend on a warm instance, which only makes it faster.
            let _ = tokio::time::timeout_at(deadline.instant().into(), warming).await;
        }
    }
}

impl NextInstance {
    /// Drops the store at once. The returned future creates the warm instance.
    fn free_store(self) -> impl Future<Output = ()> {
        let Self { used, engine, route, warm_pool, ports } = self;
        let context = Arc::clone(used.context());
        drop(used);
        async move { warm_pool.fill(&engine, &route, ports, context).await }
    }
}

impl PendingEffects {
    async fn run(self, deadline: Deadline) {
        let Self { context, mut effects, ports, engine } = self;
        let reaper = engine.reaper();
        reaper.add(std::mem::take(&mut effects.gone), &context, &ports);
        let work = async {
            deliver(&context, &effects, &ports, deadline).await;
            reaper.run(deadline).await;
        };
        if tokio::time::timeout_at(deadline.instant().into(), work).await.is_err() {
            log_event!(WARN, &context, "the post-response phase exceeded its deadline");
        }
    }
}

async fn deliver(context: &EventContext, effects: &Effects, ports: &Ports, deadline: Deadline) {
    let messages = &effects.deferred;
    if messages.is_empty() {
        return;
    }
    let delivered = match ports.messaging() {
        Some(messaging) => messaging.deliver_deferred(&context.connection_id, messages, deadline).await,
        None => 0,
    };
    if delivered < messages.len() {
        let dropped = messages.len() - delivered;
        log_event!(WARN, context, dropped, "messages sent during `$connect` were dropped");
    }
}

impl fmt::Debug for PostResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostResponse").field("effects", &self.effects).finish_non_exhaustive()
    }
}
