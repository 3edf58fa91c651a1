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

    /// Waits for the tasks, at most the drain time, and ends what is left of them. No task runs once it returns.
    pub(crate) async fn drain(&self) {
        let end = tokio::time::Instant::now() + self.connections.limits.drain;
        // Handshakes under way may still start a session, so that there may be more tasks after the first ones.
        while let Some(mut tasks) = self.take_tasks() {
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout_at(end, all).await.is_err() {
                let mut late = self.tasks().take().unwrap_or_default();
                tracing::warn!(
                    tasks = tasks.len() + late.len(),
                    "connections and messages under way were dropped at the end of the drain time"
                );
                tokio::join!(tasks.shutdown(), late.shutdown());
            }
        }
    }

    /// The tasks so far; once there are none, there is no place for new ones.
    fn take_tasks(&self) -> Option<JoinSet<()>> {
        let mut tasks = self.tasks();
        if tasks.as_ref().is_some_and(JoinSet::is_empty) {
            *tasks = None;
        }
        tasks.as_mut().map(std::mem::take)
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;
    use tidegate_event::SelectionExpression;
    use tokio::sync::oneshot;

    use super::*;
    use crate::clock::Clock;
    use crate::limits::Limits;

    struct Unused;

    #[async_trait]
    impl Invoke for Unused {
        async fn invoke(&self, _: Function, _: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
            Err(InvokeError::Unavailable("not used here".to_owned()))
        }
    }

    fn gateway(drain: Duration) -> Arc<Gateway> {
        let api = ApiConfig {
            api_id: "a".to_owned(),
            stage: "dev".to_owned(),
            region: "r".to_owned(),
            account: "1".to_owned(),
            domain_name: None,
            selection: SelectionExpression::parse("all").unwrap(),
            routes: BTreeMap::new(),
            authorizer: None,
            stage_variables: Vec::new(),
        };
        let limits = Limits { drain, ..Limits::default() };
        Gateway::new(api, Connections::new(limits, Clock::system()), Arc::new(Unused))
    }

    /// What a task holds, and what takes its time to end.
    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(100));
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_began_while_the_gateway_drained_has_ended_too() {
        let (gateway, ended) = (gateway(Duration::from_millis(50)), Arc::new(AtomicBool::new(false)));
        let (late, (begun, begins)) = (Slow(Arc::clone(&ended)), oneshot::channel());
        let of_task = Arc::clone(&gateway);
        gateway.spawn(async move {
            of_task.stopped().await;
            of_task.spawn(async move {
                let _late = late;
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            std::future::pending::<()>().await;
        });
        let stopping = async {
            // By now the drain has taken the tasks so far.
            gateway.stop();
            begins.await.unwrap();
        };
        tokio::join!(biased; gateway.drain(), stopping);
        assert!(ended.load(Ordering::SeqCst), "a task is left");
        assert!(!gateway.spawn(async {}), "a task may still begin");
    }
}
