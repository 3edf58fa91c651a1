//! A Lambda function: as many environments as events come at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::aws::Aws;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::error::Error;

/// The most environments of one function. Lambda has 1,000 for all functions of an account; each is a process of about
/// 10 MiB here, and all of them share one machine.
pub const MAX_ENVIRONMENTS: usize = 64;
/// How long a process may take until it asks for its first event, as on Lambda.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// A function whose processes run on this machine.
#[derive(Debug)]
pub struct Function {
    configuration: Configuration,
    aws: Arc<Aws>,
    /// A permit is an environment that may be busy.
    free: Arc<Semaphore>,
    /// The most recently used comes last, and is used next.
    idle: Mutex<Vec<Environment>>,
    events: TaskTracker,
    init_timeout: Duration,
}

impl Function {
    /// The function of `configuration`, which reaches `aws`. Its first process starts with its first event.
    #[must_use]
    pub fn new(configuration: Configuration, aws: Arc<Aws>) -> Arc<Self> {
        Arc::new(Self {
            configuration,
            aws,
            free: Arc::new(Semaphore::new(MAX_ENVIRONMENTS)),
            idle: Mutex::default(),
            events: TaskTracker::new(),
            init_timeout: INIT_TIMEOUT,
        })
    }

    /// The response to an event. An event that the caller stops waiting for goes on, as on Lambda.
    ///
    /// # Errors
    /// When the function fails, takes longer than its timeout, is busy in every environment, or cannot be started.
    pub async fn invoke(self: &Arc<Self>, event: Vec<u8>) -> Result<Vec<u8>, Error> {
        let name = &self.configuration.name;
        if self.events.is_closed() {
            return Err(Error::Closed(name.clone()));
        }
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            return Err(Error::Throttled { function: name.clone(), environments: MAX_ENVIRONMENTS });
        };
        let (reply, replied) = oneshot::channel();
        let function = Arc::clone(self);
        self.events.spawn(async move {
            function.run(event, reply).await;
            drop(permit);
        });
        replied.await.unwrap_or_else(|_| Err(Error::Closed(name.clone())))
    }

    /// Waits until no event is under way, and no post-response phase.
    pub async fn settled(&self) {
        let all = u32::try_from(MAX_ENVIRONMENTS).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        drop(self.free.acquire_many(all).await);
    }

    /// Waits until events and their post-response phases have ended, which each does within its timeout, and ends the
    /// processes. Later events are refused.
    pub async fn close(&self) {
        self.events.close();
        self.events.wait().await;
        let idle = std::mem::take(&mut *self.idle());
        for environment in idle {
            environment.end().await;
        }
    }

    /// Runs one event to the end of its post-response phase.
    async fn run(&self, event: Vec<u8>, reply: oneshot::Sender<Result<Vec<u8>, Error>>) {
        // A caller that has stopped waiting misses nothing by each reply that is not taken.
        let mut environment = match self.environment().await {
            Ok(environment) => environment,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let Configuration { name, timeout, .. } = &self.configuration;
        let deadline = Instant::now() + *timeout;
        let settled = match environment.invoke(event, *timeout).await {
            Ok(answer) => {
                drop(reply.send(answer.map_err(Error::Function)));
                environment.settle(deadline).await
            }
            Err(error) => {
                let said = error.to_string();
                drop(reply.send(Err(error)));
                Err(said)
            }
        };
        match settled {
            Ok(()) => self.idle().push(environment),
            Err(said) => {
                tracing::error!("a process of `{name}` is replaced at the next event: {said}");
                environment.end().await;
            }
        }
    }

    /// The environment that was used last and still lives, or a new one.
    async fn environment(&self) -> Result<Environment, Error> {
        while let Some(mut environment) = self.take_idle() {
            match environment.ended() {
                None => return Ok(environment),
                Some(how) => tracing::warn!("an idle process of `{}` has ended: {how}", self.configuration.name),
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
