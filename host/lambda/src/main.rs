//! The host as a Lambda function: `bootstrap`.
//!
//! One binary serves both functions of an app; `TIDEGATE_FUNCTION` says which this one is. In the order of a process's
//! life:
//!
//! - [`environment`]: everything that the environment says, read once
//! - [`init`]: from the environment to a host, and what Lambda is told when there is none
//! - [`closed`]: the ports of an authorizer, which has none
//! - [`invocation`]: one event that Lambda gave
//! - [`service`]: the answer to it
//! - [`post_response`]: what is done once the answer is posted
//! - [`config_cache`]: configuration values, read at the start and refreshed
//! - [`releases`]: releases that are published to the running function
//! - [`trace`]: subsegments of X-Ray
//! - [`log`]: lines of JSON; [`metrics`]: CloudWatch's embedded metrics

mod closed;
mod config_cache;
mod environment;
mod init;
mod invocation;
mod log;
mod metrics;
mod post_response;
mod releases;
mod service;
mod trace;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lambda_runtime::Runtime;
use tokio::runtime::Builder;

use environment::Environment;
use init::App;

/// A chat event takes a fourteenth less than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long an idle thread of name look-ups lives; they are not needed again soon.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let lookup = |name: &str| std::env::var(name).ok();
    log::install(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let runtime_api = lookup("AWS_LAMBDA_RUNTIME_API");
    match start(&lookup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            init::report(runtime_api.as_deref(), &error);
            ExitCode::FAILURE
        }
    }
}

/// Runs until Lambda ends the process.
fn start(lookup: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let environment = Environment::read(lookup)?;
    let mut executor = match environment.concurrency {
        // One event at a time: more threads would only wait for each other.
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let executor = executor.enable_all().thread_keep_alive(THREAD_KEEP_ALIVE).build();
    executor.context("cannot start the executor")?.block_on(run(environment))
}

async fn run(environment: Environment) -> anyhow::Result<()> {
    let app = Arc::new(App::new(environment).await?);
    let handler = service::Handler::new(Arc::clone(&app));
    let runtime = Runtime::new(handler).layer(post_response::Layer::new(app));
    runtime.run_concurrent().await.map_err(|error| anyhow::anyhow!("the Runtime API failed: {error}"))
}
