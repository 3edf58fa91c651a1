//! What is done after the response is posted and before the next event is asked for; Lambda freezes after that.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tidegate_event::ConnectionId;
use tidegate_ports::{Deadline, registry};
use tidegate_release::ReleaseId;

use crate::dispatch::Host;
use crate::engine::Engine;
use crate::instance::Used;
use crate::ports::Ports;
use crate::routes::{Entry, Route};
use crate::state::{Effects, Gone};
use crate::warm::WarmPool;

/// How many gone connections are reaped at a time.
const REAP_CONCURRENCY: usize = 16;

/// What one event leaves to be done once its response is posted.
#[must_use = "a greeting that was sent during `$connect` is lost unless this runs"]
pub struct PostResponse {
    work: Option<Work>,
    next: Option<Next>,
}

/// An event's store, to be dropped, and what makes the instance of the route's next event.
struct Next {
    used: Used,
    engine: Engine,
    route: Arc<Route>,
    warm_pool: Arc<WarmPool>,
    ports: Arc<Ports>,
}

#[derive(Debug)]
struct Work {
    connection: ConnectionId,
    /// The release that the event ran on.
    release: ReleaseId,
    effects: Effects,
    ports: Arc<Ports>,
}

impl PostResponse {
    pub(crate) fn nothing() -> Self {
        Self { work: None, next: None }
    }

    pub(crate) fn new(connection: &ConnectionId, release: &ReleaseId, effects: Effects, ports: &Arc<Ports>) -> Self {
        if effects.deferred.is_empty() && effects.gone.is_empty() {
            return Self::nothing();
        }
        let (connection, release) = (connection.clone(), release.clone());
        let work = Work { connection, release, effects, ports: Arc::clone(ports) };
        Self { work: Some(work), next: None }
    }

    /// Drops what the event used, and prepares the route's next instance: later where the engine prepares instances at
    /// all, now where it does not.
    pub(crate) fn then_prepare(mut self, host: &Host, entry: &Entry, used: Option<Used>) -> Self {
        self.next = used.filter(|_| host.engine.keeps_warm()).map(|used| Next {
            used,
            engine: host.engine.clone(),
            route: Arc::clone(&entry.route),
            warm_pool: Arc::clone(&entry.warm_pool),
            ports: host.ports(),
        });
        self
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.work.is_none() && self.next.is_none()
    }

    /// Delivers what a connection was sent during its `$connect`, in order, and reaps connections that were found gone.
    /// Then it makes the instance of the route's next event. Ends by the deadline; what it did not get to is dropped and
    /// logged.
    pub async fn run(self, deadline: Deadline) {
        let Self { work, next } = self;
        // First, because the store occupies a slot that another event may wait for.
        let next = next.map(Next::clean);
        if let Some(work) = work {
            work.run(deadline).await;
        }
        if let Some(next) = next {
            // Whether it is ready in time or not, the next event runs.
            let _ = tokio::time::timeout_at(deadline.instant().into(), next).await;
        }
    }
}

impl Next {
    /// Drops the store at once, and fills the warm_pool when awaited.
    fn clean(self) -> impl Future<Output = ()> {
        let Self { used, engine, route, warm_pool, ports } = self;
        let tags = used.tags().clone();
        drop(used);
        async move { warm_pool.fill(&engine, &route, &ports, tags).await }
    }
}

impl Work {
    async fn run(self, deadline: Deadline) {
        let Self { connection, release, effects, ports } = self;
        let work = async {
            deliver(&connection, &release, &effects, &ports, deadline).await;
            reap_all(effects.gone, &release, &ports, deadline).await;
        };
        if tokio::time::timeout_at(deadline.instant().into(), work).await.is_err() {
            tracing::warn!(connectionId = %connection, release = %release, "the post-response phase met its deadline");
        }
    }
}

async fn deliver(connection: &ConnectionId, release: &ReleaseId, effects: &Effects, ports: &Ports, deadline: Deadline) {
    let messages = &effects.deferred;
    if messages.is_empty() {
        return;
    }
    let delivered = ports.messaging.deliver_deferred(connection, messages, deadline).await;
    if delivered < messages.len() {
        let dropped = messages.len() - delivered;
        tracing::warn!(
            connectionId = %connection, release = %release, dropped, "messages sent during `$connect` were dropped"
        );
    }
}

/// In one task, so that what is logged and measured belongs to the event.
async fn reap_all(gone: Vec<Gone>, release: &ReleaseId, ports: &Ports, deadline: Deadline) {
    let reaping = gone.into_iter().map(|gone| async move {
        if let Err(error) = reap(&gone, ports, deadline).await {
            tracing::warn!(connectionId = %gone.id, release = %release, "cannot reap a gone connection: {error}");
        }
    });
    stream::iter(reaping).buffer_unordered(REAP_CONCURRENCY).collect::<()>().await;
}

async fn reap(gone: &Gone, ports: &Ports, deadline: Deadline) -> Result<(), registry::Error> {
    if ports.registry.reap(&gone.id, deadline).await? {
        return Ok(());
    }
    // It is too young to be reaped, or has no row: an `unregister` whose answer was lost has removed the row, and with it
    // the names of its groups. The group that listed it is one of them.
    let Some(group) = &gone.group else { return Ok(()) };
    match ports.registry.describe(&gone.id, deadline).await {
        Err(registry::Error::NotFound) => ports.registry.leave(group, &gone.id, deadline).await,
        found => found.map(drop),
    }
}

impl std::fmt::Debug for PostResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostResponse").field("work", &self.work).finish_non_exhaustive()
    }
}
