//! The gateway of one API.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::ApiConfig;
use crate::connections::Connections;
use crate::invoke::{Function, Invoke, InvokeError};

/// The gateway of one API: its configuration, its connections and the port to its functions.
pub struct Gateway {
    api: RwLock<Arc<ApiConfig>>,
    pub(crate) connections: Arc<Connections>,
    invoke: Arc<dyn Invoke>,
    tasks: Mutex<Option<JoinSet<()>>>,
    stopping: watch::Sender<bool>,
}

impl Gateway {
    /// A gateway that serves `config` once it runs.
    #[must_use]
    pub fn new(config: ApiConfig, connections: Arc<Connections>, invoke: Arc<dyn Invoke>) -> Arc<Self> {
        Arc::new(Self {
            api: RwLock::new(Arc::new(config)),
            connections,
            invoke,
            tasks: Mutex::new(Some(JoinSet::new())),
            stopping: watch::Sender::new(false),
        })
    }

    /// The configuration that the next event meets.
    #[must_use]
    pub fn api(&self) -> Arc<ApiConfig> {
        Arc::clone(&self.api.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration; open sockets stay open, and events under way finish on the old one.
    pub fn replace(&self, config: ApiConfig) {
        *self.api.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Invokes a function, for at most the integration timeout. A panic below the port is a failure of the function.
    pub(crate) async fn invoke(&self, function: Function, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let limits = &self.connections.limits;
        let invocation = AssertUnwindSafe(self.invoke.invoke(function, event)).catch_unwind();
        match self.connections.clock.timeout(limits.integration, invocation).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(InvokeError::Unavailable("the invocation panicked".to_owned())),
            None => Err(InvokeError::Timeout),
        }
    }

    /// Runs a task that a shutdown waits for. False once the gateway has drained.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else { return false };
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
        true
    }

    /// Tells every task to stop.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether the gateway stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the gateway stops.
    pub(crate) async fn stopped(&self) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Waits for the tasks, at most the drain time, and drops what is left of them.
    pub(crate) async fn drain(&self) {
        let end = tokio::time::Instant::now() + self.connections.limits.drain;
        loop {
            // Handshakes under way may still start a session.
            let Some(mut tasks) = self.tasks().replace(JoinSet::new()) else { return };
            if tasks.is_empty() {
                *self.tasks() = None;
                return;
            }
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout_at(end, all).await.is_err() {
                tracing::warn!(
                    tasks = tasks.len(),
                    "connections and messages under way were dropped at the end of the drain time"
                );
                *self.tasks() = None;
                tasks.shutdown().await;
                return;
            }
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
