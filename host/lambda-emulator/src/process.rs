//! A function's process, in a process group of its own.
//!
//! When this process is killed, one that runs sees its Runtime API go away, and one that is stopped is continued and hung
//! up on by the kernel, because its group is orphaned; but not one that is just about to stop. Whoever cannot have that
//! starts them through a program that ties them to this process.

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

/// How long the last lines of a process that has ended may take: somebody else may hold its output open.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// A process, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: TaskTracker,
}

impl Process {
    /// Starts the bootstrap of `configuration`, with this environment and no other.
    pub(crate) fn start(configuration: &Configuration, environment: BTreeMap<String, String>) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Start { path, source }
        };
        // A relative path would be looked for in the folder that the process begins in.
        let bootstrap = &configuration.bootstrap;
        let program = std::path::absolute(bootstrap).map_err(failed(bootstrap))?;
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
            .map_err(failed(bootstrap))?;
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

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended and its last line was read. Dropping this future loses nothing.
    pub(crate) async fn exit(&mut self) -> String {
        let status = self.child.wait().await;
        let _ = tokio::time::timeout(OUTPUT_TIMEOUT, self.output.wait()).await;
        describe(status)
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().transpose().map(describe)
    }

    /// Stops it, as Lambda does between events, or lets it go on.
    pub(crate) fn stop(&self, stopped: bool) {
        self.signal(if stopped { Signal::STOP } else { Signal::CONT });
    }

    /// Ends it at once, as Lambda does: it is not asked.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::KILL);
        self.exit().await;
    }

    fn signal(&self, signal: Signal) {
        // `id` is none once the child has been waited for; its number may belong to another process by then.
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only when the group is gone.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What becomes the program.
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

/// How a process ended, in the words of Lambda.
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
