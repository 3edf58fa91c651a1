//! One execution environment: a process between its Runtime API and its AWS.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>

use std::sync::Arc;
use std::time::Duration;

use tidegate_event::FunctionError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::aws::Aws;
use crate::configuration::Configuration;
use crate::error::Error;
use crate::process::Process;
use crate::runtime_api::{Answer, RuntimeApi};
use crate::server::Server;

/// What Lambda says of a process that took too long.
const TIMED_OUT: &str = "Sandbox.Timedout";
/// What Lambda says of a process that ended.
const EXITED: &str = "Runtime.ExitError";

/// A process that answers one event at a time. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Environment {
    api: RuntimeApi,
    /// Its own, so that its connections can be told from those of others.
    aws: Server,
    process: Process,
    freeze: bool,
}

impl Environment {
    /// Starts a process, and waits until it asks for an event.
    ///
    /// # Errors
    /// When it cannot be started, says that it does not start, ends, or takes longer than `limit`.
    pub(crate) async fn start(configuration: &Configuration, aws: &Arc<Aws>, limit: Duration) -> Result<Self, Error> {
        let failed = |source| Error::Start { path: configuration.bootstrap.clone(), source };
        let began = Instant::now();
        let api = RuntimeApi::start(&configuration.arn()).await.map_err(failed)?;
        let aws = aws.serve().await.map_err(failed)?;
        let process = Process::start(configuration, configuration.environment(api.address(), aws.address()))?;
        let mut environment = Self { api, aws, process, freeze: configuration.freeze };
        let name = &configuration.name;
        match environment.init(limit).await {
            Ok(()) => {
                let id = environment.process.id().unwrap_or_default();
                tracing::debug!("process {id} of `{name}` started in {:.1?}", began.elapsed());
                Ok(environment)
            }
            Err(error) => {
                tracing::error!("`{name}` does not start: {}", error.error_message);
                environment.end().await;
                Err(Error::Function(error))
            }
        }
    }

    async fn init(&mut self, limit: Duration) -> Result<(), FunctionError> {
        tokio::select! {
            biased;
            () = self.api.idle() => Ok(()),
            error = self.api.init_error() => Err(error),
            exit = self.process.exit() => Err(failure(EXITED, format!("Error: {exit}"))),
            () = sleep(limit) => Err(failure(TIMED_OUT, format!("Error: Init timed out after {}", seconds(limit)))),
        }
    }

    /// The answer to an event. After an error there is no process any more, or none that can be used.
    pub(crate) async fn invoke(&mut self, event: Vec<u8>, timeout: Duration) -> Result<Answer, Error> {
        let deadline = Instant::now() + timeout;
        let submitted = self.api.submit(event, timeout);
        let id = submitted.request_id();
        if self.freeze {
            // The event is there when the process wakes up, at the same time as the end of its connections.
            self.process.stop(false);
        }
        tokio::select! {
            biased;
            answer = submitted.answer() => Ok(answer),
            exit = self.process.exit() => Err(Error::Function(failure(EXITED, format!("RequestId: {id} Error: {exit}")))),
            () = sleep_until(deadline) => {
                let said = format!("RequestId: {id} Error: Task timed out after {}", seconds(timeout));
                Err(Error::TimedOut(failure(TIMED_OUT, said)))
            }
        }
    }

    /// Waits for the end of the post-response phase, which is when the process asks for the next event, and freezes it.
    ///
    /// # Errors
    /// Why the process cannot be used again.
    pub(crate) async fn settle(&mut self, deadline: Instant) -> Result<(), String> {
        tokio::select! {
            biased;
            () = self.api.idle() => {}
            exit = self.process.exit() => return Err(exit),
            () = sleep_until(deadline) => return Err("it did not ask for the next event in time".to_owned()),
        }
        if self.freeze {
            self.process.stop(true);
            self.aws.hang_up().await;
        }
        Ok(())
    }

    /// How the process has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.process.ended()
    }

    /// Ends the process, and waits until it has ended.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

fn failure(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message }
}

/// A time as Lambda writes it.
fn seconds(time: Duration) -> String {
    format!("{:.2} seconds", time.as_secs_f64())
}
