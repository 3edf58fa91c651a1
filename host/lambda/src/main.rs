//! The host as a Lambda function: `bootstrap`.
//!
//! One binary serves both functions of an app, and `TIDEGATE_FUNCTION` selects one of them. In the order of a process's
//! life:
//!
//! - [`environment`]: the environment variables, read once
//! - [`init`]: creates the host from the environment, and reports to Lambda if the function does not start
//! - [`take_event`]: the outermost layer, which makes an event the current [`invocation`]
//! - [`post_response`]: the layer that runs the post-response phase
//! - [`service`]: the innermost service, which handles an event
//! - [`config_cache`]: configuration values, read when the function starts and refreshed after events
//! - [`releases`]: the rollout of published releases to the running function
//! - [`trace`]: subsegments of X-Ray
//! - [`log`]: lines of JSON; [`metrics`]: CloudWatch's embedded metrics

mod config_cache;
mod environment;
mod init;
mod invocation;
mod log;
mod metrics;
mod post_response;
mod releases;
mod service;
mod take_event;
mod trace;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::Runtime;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tokio::runtime::Builder;

use environment::Environment;
use init::App;
use post_response::PostResponseLayer;
use take_event::TakeEventLayer;

/// A chat event takes a fourteenth less time than with the system allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The time after which an idle thread for DNS look-ups ends. Such a thread is not needed again soon.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let lookup = |name: &str| std::env::var(name).ok();
    log::install(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let runtime_api = lookup("AWS_LAMBDA_RUNTIME_API");
    match start(&lookup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(code = error.code.as_str(), hint = error.hint.as_deref(), "{error}");
            init::report(runtime_api.as_deref(), &error);
            ExitCode::FAILURE
        }
    }
}

/// Runs until Lambda ends the process.
fn start(lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), Diagnostic> {
    let environment = Environment::read(lookup)?;
    let mut executor = match environment.concurrency {
        // Events arrive one at a time, so further threads would only wait for each other.
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let executor = executor.enable_all().thread_keep_alive(THREAD_KEEP_ALIVE).build();
    let executor = executor.diagnose(Code::FunctionExecutorStart, || "cannot start the executor")?;
    executor.block_on(run(environment))
}

async fn run(environment: Environment) -> Result<(), Diagnostic> {
    let app = Arc::new(App::new(environment).await?);
    let handler = service::Handler::new(Arc::clone(&app));
    // The last layer is the outermost.
    let runtime = Runtime::new(handler).layer(PostResponseLayer::new(app)).layer(TakeEventLayer::default());
    let ended = runtime.run_concurrent().await;
    ended.map_err(|error| Diagnostic::new(Code::FunctionRuntimeApi, "the Runtime API failed", error.to_string()))
}
