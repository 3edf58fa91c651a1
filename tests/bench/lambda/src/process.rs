//! A running function.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use tidegate_lambda_emulator::RuntimeApi;
use tokio::process::Child;

use crate::function::Function;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:chat";
/// Time limit of an event, as on Lambda, and of a function's start-up.
const TIMEOUT: Duration = Duration::from_secs(29);
/// Number of bytes from the end of the log to show in an error.
const LOG_TAIL: u64 = 4_000;

/// A process and its Runtime API. Dropping it ends the process.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    api: RuntimeApi,
    child: Child,
    log: File,
    /// Time when the process started.
    pub began: Instant,
}

impl Process {
    /// Starts a function. The function is ready when it requests an event.
    ///
    /// # Errors
    /// The system has no free port, or cannot start the program.
    pub async fn start(function: &Function, aws: &str) -> Result<Self> {
        // Some of the measured runtimes accept no path in the address of the Runtime API.
        let api = RuntimeApi::start_without_secret(ARN).await.context("cannot start the Runtime API")?;
        let log = tempfile::tempfile().context("cannot make a file for the log")?;
        let mut command = function.command(&api.endpoint(), aws);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start `{}`", function.name))?;
        Ok(Self { name: function.name, api, child, log, began })
    }

    /// Sends an event and waits for the response.
    ///
    /// # Errors
    /// The function ended, responded with an error, or did not respond in time.
    pub async fn invoke(&mut self, event: Vec<u8>) -> Result<Vec<u8>> {
        let failure = tokio::select! {
            answer = self.api.invoke(event, TIMEOUT) => match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => format!("{}: {}", error.error_type, error.error_message),
            },
            ended = self.child.wait() => format!("the function ended with {}", ended?),
            () = tokio::time::sleep(TIMEOUT) => "timed out waiting for the response".to_owned(),
        };
        Err(self.failed(&failure))
    }

    /// Waits until the function requests the next event.
    ///
    /// # Errors
    /// The function ended, or did not request an event in time.
    pub async fn idle(&mut self) -> Result<()> {
        let failure = tokio::select! {
            () = self.api.idle() => return Ok(()),
            ended = self.child.wait() => format!("the function ended with {}", ended?),
            () = tokio::time::sleep(TIMEOUT) => "timed out waiting for the request for an event".to_owned(),
        };
        Err(self.failed(&failure))
    }

    /// Returns the resident memory of the process in KiB: the kernel's `VmRSS`, which includes shared pages.
    ///
    /// # Errors
    /// The process has ended.
    pub fn memory_kib(&self) -> Result<u64> {
        let id = self.child.id().context("the process has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{id}/status")).context("cannot read the process's status")?;
        let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmRSS:")) else {
            bail!("the process's status has no `VmRSS`")
        };
        line.trim_end_matches("kB").trim().parse().context("`VmRSS` is not a number")
    }

    /// Kills the process.
    ///
    /// # Errors
    /// The system cannot kill the process.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("cannot end the process")
    }

    fn failed(&self, reason: &str) -> anyhow::Error {
        let mut log = &self.log;
        let mut tail = Vec::new();
        let length = log.metadata().map_or(0, |metadata| metadata.len());
        if log.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL))).is_ok() {
            // A log that cannot be read is not shown.
            let _ = log.take(LOG_TAIL).read_to_end(&mut tail);
        }
        anyhow!("`{}`: {reason}\n{}", self.name, String::from_utf8_lossy(&tail))
    }
}
