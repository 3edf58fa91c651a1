//! A Lambda function: one environment for each concurrent event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_diagnostic::Code;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::aws::Aws;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::error::Error;

/// The maximum number of environments of one function. Lambda allows 1,000 for all functions of an account. Here, each
/// environment is a process of about 10 MiB, and all of them share one machine.
pub const MAX_ENVIRONMENTS: usize = 64;
/// The maximum time from the start of a process to its first request for an event, as on Lambda.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A function whose processes run on this machine.
#[derive(Debug)]
pub struct Function {
    configuration: Configuration,
    aws: Arc<Aws>,
    /// One permit for each environment that may be busy.
    permits: Arc<Semaphore>,
    /// The idle environments, sorted by last use. The most recently used one is last, and is used next.
    idle: Mutex<Vec<Environment>>,
    events: TaskTracker,
    init_timeout: Duration,
}

impl Function {
    /// Creates a function that calls `aws`. The first process starts with the first event.
    #[must_use]
    pub fn new(configuration: Configuration, aws: Arc<Aws>) -> Arc<Self> {
        Arc::new(Self {
            configuration,
            aws,
            permits: Arc::new(Semaphore::new(MAX_ENVIRONMENTS)),
            idle: Mutex::default(),
            events: TaskTracker::new(),
            init_timeout: INIT_TIMEOUT,
        })
    }

    /// Invokes the function with an event and returns its response. If the caller stops waiting, the event continues,
    /// as on Lambda.
    ///
    /// # Errors
    /// The function fails, exceeds its timeout, is busy in every environment, is closed, or cannot be started.
    pub async fn invoke(self: &Arc<Self>, event: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.invoke_with(event, ()).await
    }

    /// Invokes the function as [`invoke`](Self::invoke) does, and drops `slot` when the environment is free again.
    ///
    /// # Errors
    /// The errors of [`invoke`](Self::invoke).
    pub async fn invoke_with(self: &Arc<Self>, event: Vec<u8>, slot: impl Send + 'static) -> Result<Vec<u8>, Error> {
        let name = &self.configuration.name;
        if self.events.is_closed() {
            return Err(Error::Closed(name.clone()));
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(Error::Throttled { function: name.clone(), environments: MAX_ENVIRONMENTS });
        };
        let (reply, replied) = oneshot::channel();
        let function = Arc::clone(self);
        self.events.spawn(async move {
            function.run(event, reply).await;
            drop((permit, slot));
        });
        replied.await.unwrap_or_else(|_| Err(Error::Closed(name.clone())))
    }

    /// Waits until no event and no post-response phase is in progress.
    pub async fn settled(&self) {
        let all = u32::try_from(MAX_ENVIRONMENTS).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        drop(self.permits.acquire_many(all).await);
    }

    /// Refuses further events, waits until all events and their post-response phases have ended, each within its
    /// timeout, and kills the processes.
    pub async fn close(&self) {
        self.events.close();
        self.events.wait().await;
        let idle = std::mem::take(&mut *self.idle());
        for environment in idle {
            environment.end().await;
        }
    }

    /// Runs one event until the end of its post-response phase.
    async fn run(&self, event: Vec<u8>, reply: oneshot::Sender<Result<Vec<u8>, Error>>) {
        // Sending a reply fails only if the caller has stopped waiting.
        let mut environment = match self.environment().await {
            Ok(environment) => environment,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let Configuration { name, timeout, .. } = &self.configuration;
        let deadline = Instant::now() + *timeout;
        let settled = match environment.invoke(event, *timeout).await {
            Ok(answer) => {
                drop(reply.send(answer.map_err(Error::Function)));
                environment.settle(deadline).await.map_err(|error| (error.code(), error.to_string()))
            }
            Err(error) => {
                let settled = Err((error.code(), error.to_string()));
                drop(reply.send(Err(error)));
                settled
            }
        };
        match settled {
            Ok(()) => self.idle().push(environment),
            Err((code, reason)) => {
                tracing::error!(%code, "a process of `{name}` is replaced at the next event: {reason}");
                environment.end().await;
            }
        }
    }

    /// Returns the most recently used environment whose process is still running, or a new one.
    async fn environment(&self) -> Result<Environment, Error> {
        while let Some(mut environment) = self.take_idle() {
            match environment.try_exit() {
                None => return Ok(environment),
                Some(exit) => {
                    let name = &self.configuration.name;
                    tracing::warn!(code = %Code::InvocationFailed, "an idle process of `{name}` has ended: {exit}");
                }
            }
        }
        Environment::start(&self.configuration, &self.aws, self.init_timeout).await
    }

    fn take_idle(&self) -> Option<Environment> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
