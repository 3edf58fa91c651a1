//! Cold starts: from the start of the process to its first answer.

use anyhow::Result;

use crate::aws::Aws;
use crate::events;
use crate::function::Function;
use crate::process::Process;

/// One cold start, in milliseconds: an echo waits for the function, as the event that causes a cold start does.
///
/// # Errors
/// It does not start or does not answer.
pub async fn run(function: &Function, aws: &Aws) -> Result<f64> {
    let event = events::echo();
    let mut process = Process::start(function, &aws.url()).await?;
    process.invoke(event).await?;
    let took = process.began.elapsed();
    process.stop().await?;
    Ok(took.as_secs_f64() * 1e3)
}
