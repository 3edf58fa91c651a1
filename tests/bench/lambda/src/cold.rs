//! Cold starts: the time from the start of the process to its first response.

use anyhow::Result;

use crate::aws::Aws;
use crate::events;
use crate::function::Function;
use crate::process::Process;

/// Measures one cold start in milliseconds. The event is an echo and waits for the function, as on Lambda.
///
/// # Errors
/// The function does not start or does not respond.
pub async fn run(function: &Function, aws: &Aws) -> Result<f64> {
    let event = events::echo();
    let mut process = Process::start(function, &aws.url()).await?;
    process.invoke(event).await?;
    let took = process.began.elapsed();
    process.stop().await?;
    Ok(took.as_secs_f64() * 1e3)
}
