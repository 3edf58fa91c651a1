//! One execution environment: a process, its Runtime API and its AWS services.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>

use std::sync::Arc;
use std::time::Duration;

use tidegate_diagnostic::Code;
use tidegate_event::FunctionError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::aws::Aws;
use crate::configuration::Configuration;
use crate::error::Error;
use crate::process::Process;
use crate::runtime_api::{Answer, RuntimeApi};
use crate::server::Server;

/// Lambda's error type for a process that exceeded a timeout.
const TIMED_OUT: &str = "Sandbox.Timedout";
/// Lambda's error type for a process that ended.
const EXITED: &str = "Runtime.ExitError";

/// A process that handles one event at a time. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Environment {
    api: RuntimeApi,
    /// A separate server, so that only the connections of this process are closed when the process freezes.
    aws: Server,
    process: Process,
    freeze: bool,
}

impl Environment {
    /// Starts a process, and waits until it requests an event.
    ///
    /// # Errors
    /// The process cannot be started, reports an init error, ends, or takes longer than `limit`.
    pub(crate) async fn start(configuration: &Configuration, aws: &Arc<Aws>, limit: Duration) -> Result<Self, Error> {
        let failed = |source| Error::Start { path: configuration.bootstrap.clone(), source };
        let started = Instant::now();
        let api = RuntimeApi::start(&configuration.arn()).await.map_err(failed)?;
        let aws = aws.serve().await.map_err(failed)?;
        let process = Process::start(configuration, configuration.environment(&api.endpoint(), aws.address()))?;
        let mut environment = Self { api, aws, process, freeze: configuration.freeze };
        let name = &configuration.name;
        match environment.init(limit).await {
            Ok(()) => {
                let id = environment.process.id().unwrap_or_default();
                tracing::debug!("process {id} of `{name}` started in {:.1?}", started.elapsed());
                Ok(environment)
            }
            Err(error) => {
                tracing::error!(code = %Code::InvocationFailed, "`{name}` does not start: {}", error.error_message);
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

    /// Sends an event to the process and returns the response. After an error, the process has ended or cannot be used
    /// again.
    pub(crate) async fn invoke(&mut self, event: Vec<u8>, timeout: Duration) -> Result<Answer, Error> {
        let deadline = Instant::now() + timeout;
        let submitted = self.api.submit(event, timeout);
        let id = submitted.request_id();
        if self.freeze {
            // The event is queued before the process continues, so the process finds the event and its closed
            // connections at the same time.
            self.process.resume();
        }
        tokio::select! {
            biased;
            answer = submitted.answer() => Ok(answer),
            exit = self.process.exit() => {
                Err(Error::Function(failure(EXITED, format!("RequestId: {id} Error: {exit}"))))
            }
            () = sleep_until(deadline) => {
                let message = format!("RequestId: {id} Error: Task timed out after {}", seconds(timeout));
                Err(Error::TimedOut(failure(TIMED_OUT, message)))
            }
        }
    }

    /// Waits for the end of the post-response phase, when the process requests the next event. Then freezes the process
    /// if the function is configured for freezing.
    ///
    /// # Errors
    /// The process ended, or did not request an event before the deadline. The process cannot be used again.
    pub(crate) async fn settle(&mut self, deadline: Instant) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.api.idle() => {}
            exit = self.process.exit() => return Err(Error::Function(failure(EXITED, exit))),
            () = sleep_until(deadline) => {
                let message = "the process did not request the next event in time".to_owned();
                return Err(Error::TimedOut(failure(TIMED_OUT, message)));
            }
        }
        if self.freeze {
            self.process.freeze();
            self.aws.close_connections().await;
        }
        Ok(())
    }

    /// Returns the exit status of the process as text, if the process has ended.
    pub(crate) fn try_exit(&mut self) -> Option<String> {
        self.process.try_exit()
    }

    /// Kills the process, and waits until it has ended.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

fn failure(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message }
}

/// Formats a time as Lambda does.
fn seconds(time: Duration) -> String {
    format!("{:.2} seconds", time.as_secs_f64())
}
