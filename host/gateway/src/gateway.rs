//! The gateway of one API.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_util::FutureExt;
use tidegate_diagnostic::Code;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::Access;
use crate::api::ApiConfig;
use crate::clock::Clock;
use crate::ids::Ids;
use crate::invoke::{Caller, Function, Invoke, InvokeError};
use crate::limits::Limits;
use crate::socket_table::SocketTable;
use crate::throttle::Throttle;

/// The maximum number of handshakes and ends of connections that take their first turn at the same time. A first turn
/// may run a guest, so thousands of clients that come or go at once would otherwise delay all others.
const TURNS: usize = 8;

/// The gateway of one API: its configuration, its sockets and the port to its functions.
pub struct Gateway {
    api: RwLock<Arc<ApiConfig>>,
    pub(crate) access: Access,
    pub(crate) sockets: Arc<SocketTable>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    /// The rate of new connections.
    pub(crate) connects: Throttle,
    /// The rate of logged refusals.
    pub(crate) refusals: Throttle,
    invoke: Arc<dyn Invoke>,
    /// One permit for each handshake or end of a connection that may take its first turn.
    turns: Semaphore,
    tasks: Mutex<Option<JoinSet<()>>>,
    stopping: watch::Sender<bool>,
}

impl Gateway {
    /// Creates a gateway with the limits and the clock of `sockets`. [`run`](crate::run) serves it.
    #[must_use]
    pub fn new(config: ApiConfig, access: Access, sockets: Arc<SocketTable>, invoke: Arc<dyn Invoke>) -> Arc<Self> {
        let limits = sockets.limits().clone();
        let clock = sockets.clock().clone();
        let connects = Throttle::new(limits.connects);
        Arc::new(Self {
            api: RwLock::new(Arc::new(config)),
            access,
            sockets,
            limits,
            clock,
            ids: Ids::default(),
            connects,
            refusals: Throttle::new(Some(Access::LOGGED)),
            invoke,
            turns: Semaphore::new(TURNS),
            tasks: Mutex::new(Some(JoinSet::new())),
            stopping: watch::Sender::new(false),
        })
    }

    /// Returns the configuration for the next event.
    #[must_use]
    pub fn api(&self) -> Arc<ApiConfig> {
        Arc::clone(&self.api.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration. Open sockets stay open, and events in progress finish with the old configuration.
    pub fn replace(&self, config: ApiConfig) {
        *self.api.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Invokes a function, for at most the integration timeout. A panic in the port is an `Unavailable` error.
    pub(crate) async fn invoke(
        &self,
        function: Function,
        event: Vec<u8>,
        caller: Caller<'_>,
    ) -> Result<Vec<u8>, InvokeError> {
        let invocation = AssertUnwindSafe(self.invoke.invoke(function, event, caller)).catch_unwind();
        match self.clock.timeout(self.limits.integration, invocation).await {
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(InvokeError::Unavailable("the invocation panicked".to_owned())),
            None => Err(InvokeError::Timeout),
        }
    }

    /// Runs a handshake or the end of a connection. Its first turn waits for those that came before it.
    ///
    /// A first turn often takes as long as ten messages. The executor therefore looks for new events of sockets before
    /// each few of them, however many clients connect or leave at once.
    pub(crate) async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        // The semaphore is never closed.
        let mut permit = self.turns.acquire().await.ok();
        // A task that yields runs again after the executor has looked for events.
        tokio::task::yield_now().await;
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            permit = None;
            polled
        })
        .await
    }

    /// Runs a task that a shutdown waits for. Returns false if the gateway has drained.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else { return false };
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
        true
    }

    /// Asks every task to stop.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns true once the gateway stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the gateway stops.
    pub(crate) async fn stopped(&self) {
        // The sender is owned by `self`, so this cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Waits for the tasks, at most for the drain time, and aborts the rest. No task runs after this function returns.
    pub(crate) async fn drain(&self) {
        let end = tokio::time::Instant::now() + self.limits.drain;
        // A handshake in progress may start a session, so more tasks may follow the first ones.
        while let Some(mut tasks) = self.take_tasks() {
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout_at(end, all).await.is_err() {
                let mut late = self.tasks().take().unwrap_or_default();
                let count = tasks.len() + late.len();
                tracing::warn!(
                    code = %Code::DrainTimedOut,
                    tasks = count,
                    "dropped the connections and messages that were under way at the end of the drain time"
                );
                tokio::join!(tasks.shutdown(), late.shutdown());
            }
        }
    }

    /// Takes the tasks started so far. If there are none, later tasks are refused.
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

    struct Unused;

    #[async_trait]
    impl Invoke for Unused {
        async fn invoke(&self, _: Function, _: Vec<u8>, _: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
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
        Gateway::new(api, Access::default(), SocketTable::new(limits, Clock::system()), Arc::new(Unused))
    }

    /// A value owned by a task. Dropping it takes 100 ms.
    struct SlowDrop(Arc<AtomicBool>);

    impl Drop for SlowDrop {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(100));
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tasks_started_during_the_drain_have_ended_after_it() {
        let gateway = gateway(Duration::from_millis(50));
        let ended = Arc::new(AtomicBool::new(false));
        let late = SlowDrop(Arc::clone(&ended));
        let (begun, begins) = oneshot::channel();
        let spawner = Arc::clone(&gateway);
        gateway.spawn(async move {
            spawner.stopped().await;
            spawner.spawn(async move {
                let _late = late;
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            std::future::pending::<()>().await;
        });
        let stopping = async {
            // The drain has already taken the first tasks.
            gateway.stop();
            begins.await.unwrap();
        };
        tokio::join!(biased; gateway.drain(), stopping);
        assert!(ended.load(Ordering::SeqCst), "a task is left");
        assert!(!gateway.spawn(async {}), "a task may still begin");
    }
}
