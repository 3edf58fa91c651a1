//! What is done after the response is posted and before the next event is asked for; Lambda freezes after that.

use std::sync::Arc;

use tidegate_capability::Deadline;
use tidegate_event::ConnectionId;
use tokio::task::JoinSet;

use crate::ports::Ports;
use crate::state::Effects;

/// How many gone connections are reaped at a time.
const REAP_CONCURRENCY: usize = 16;

/// What one event leaves to be done once its response is posted.
#[derive(Debug)]
#[must_use = "a greeting that was sent during `$connect` is lost unless this runs"]
pub struct PostResponse {
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    connection: ConnectionId,
    effects: Effects,
    ports: Arc<Ports>,
}

impl PostResponse {
    pub(crate) fn nothing() -> Self {
        Self { work: None }
    }

    pub(crate) fn new(connection: &ConnectionId, effects: Effects, ports: &Arc<Ports>) -> Self {
        if effects.deferred.is_empty() && effects.gone.is_empty() {
            return Self::nothing();
        }
        Self { work: Some(Work { connection: connection.clone(), effects, ports: Arc::clone(ports) }) }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.work.is_none()
    }

    /// Delivers what a connection was sent during its `$connect`, in order, and reaps connections that were found gone.
    /// Ends by the deadline; what it did not get to is dropped and logged.
    pub async fn run(self, deadline: Deadline) {
        let Some(Work { connection, effects, ports }) = self.work else { return };
        let work = async {
            deliver(&connection, &effects, &ports, deadline).await;
            reap(effects.gone, &ports, deadline).await;
        };
        if tokio::time::timeout_at(deadline.instant().into(), work).await.is_err() {
            tracing::warn!(connectionId = %connection, "the post-response phase met its deadline");
        }
    }
}

async fn deliver(connection: &ConnectionId, effects: &Effects, ports: &Ports, deadline: Deadline) {
    let messages = &effects.deferred;
    if messages.is_empty() {
        return;
    }
    let delivered = ports.messaging.deliver_deferred(connection, messages, deadline).await;
    if delivered < messages.len() {
        let dropped = messages.len() - delivered;
        tracing::warn!(connectionId = %connection, dropped, "messages sent during `$connect` were dropped");
    }
}

async fn reap(gone: Vec<ConnectionId>, ports: &Arc<Ports>, deadline: Deadline) {
    let mut tasks = JoinSet::new();
    for id in gone {
        if tasks.len() >= REAP_CONCURRENCY {
            tasks.join_next().await;
        }
        let ports = Arc::clone(ports);
        tasks.spawn(async move {
            if let Err(error) = ports.registry.reap(&id, deadline).await {
                tracing::warn!(connectionId = %id, "cannot reap a gone connection: {error}");
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
