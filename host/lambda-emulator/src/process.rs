//! The process of a function, in a separate process group.
//!
//! If the emulator is killed, a running child loses its Runtime API and ends. A stopped child gets `SIGHUP` and
//! `SIGCONT` from the kernel because its group is orphaned, but a child that is about to stop does not. To exclude that
//! case, start the children through a program that ends them together with the emulator
//! ([`Configuration::through`](crate::Configuration::through)).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio_util::task::TaskTracker;

use crate::configuration::Configuration;
use crate::error::Error;
use crate::output;

/// The maximum time for reading the last lines of an ended process. Another process may hold the output open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A process. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: TaskTracker,
}

impl Process {
    /// Starts the bootstrap of `configuration` with exactly these environment variables.
    pub(crate) fn start(configuration: &Configuration, environment: BTreeMap<String, String>) -> Result<Self, Error> {
        let start_error = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Start { path, source }
        };
        // A relative path would be resolved in the working directory of the new process.
        let bootstrap = &configuration.bootstrap;
        let program = std::path::absolute(bootstrap).map_err(start_error(bootstrap))?;
        let mut child = command(configuration, &program)
            .env_clear()
            .envs(environment)
            .current_dir(&configuration.task_root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(start_error(bootstrap))?;
        let output = TaskTracker::new();
        if let Some(stdout) = child.stdout.take() {
            output.spawn(output::follow(stdout, configuration.name.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(output::follow(stderr, configuration.name.clone()));
        }
        output.close();
        Ok(Self { child, output })
    }

    /// Returns the process id while the process is running.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process has ended and its last line has been read, and describes the exit status. Cancel safe.
    pub(crate) async fn exit(&mut self) -> String {
        let status = self.child.wait().await;
        let _ = tokio::time::timeout(OUTPUT_TIMEOUT, self.output.wait()).await;
        describe(status)
    }

    /// Describes the exit status of the process, if the process has ended.
    pub(crate) fn try_exit(&mut self) -> Option<String> {
        self.child.try_wait().transpose().map(describe)
    }

    /// Stops the process, as Lambda does between events.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues a stopped process.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process without warning, as Lambda does.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::KILL);
        self.exit().await;
    }

    fn signal(&self, signal: Signal) {
        // The id is `None` after a wait for the child, because another process may then have the same id.
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // This fails only if the group no longer exists.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Returns the command that runs `program`.
fn command(configuration: &Configuration, program: &Path) -> Command {
    match configuration.through.split_first() {
        Some((through, arguments)) => {
            let mut command = Command::new(through);
            command.args(arguments).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Describes an exit status as Lambda does.
fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.as_ref().map(|status| (status.code(), status.signal())) {
        Ok((Some(0), _)) => "Runtime exited without providing a reason".to_owned(),
        Ok((Some(code), _)) => format!("Runtime exited with error: exit status {code}"),
        Ok((None, Some(9))) => "Runtime exited with error: signal: killed".to_owned(),
        Ok((None, Some(signal))) => format!("Runtime exited with error: signal: {signal}"),
        _ => "Runtime exited with error".to_owned(),
    }
}
