//! Build commands: the commands of the manifest, which a shell runs, and Tidegate's own commands.

use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tidegate_diagnostic::{Code, Diagnostic};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use crate::ui::error::Result;
use crate::ui::progress::Progress;
use crate::ui::terminal;

/// The time limit for reading the remaining output of a command that has ended.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(200);

/// Runs `line` with `sh -c` in the folder `dir`, and waits for it as [`complete`] does.
///
/// # Errors
/// The shell cannot be started, or the command fails.
pub(crate) async fn run(line: &str, dir: &Path, progress: &Progress) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(dir);
    complete(command, progress).await.map_err(|error| error.into_diagnostic(&format!("the build command `{line}`")))
}

/// The failure of a command.
pub(crate) enum Failure {
    /// The program cannot be started.
    Start(std::io::Error),
    /// The program ended with this status.
    Status(String),
}

impl Failure {
    /// Returns the error of the command that `subject` describes.
    pub(crate) fn into_diagnostic(self, subject: &str) -> Diagnostic {
        match self {
            Self::Start(error) => {
                Diagnostic::caused_by(Code::BuildCommandFailed, format!("cannot start {subject}"), &error)
            }
            Self::Status(status) => {
                let why = format!("the command ended with {status}");
                Diagnostic::new(Code::BuildCommandFailed, format!("cannot run {subject}"), why)
                    .hint("the output of the command, above this error, shows the cause")
            }
        }
    }
}

/// Runs a command to completion. Its output goes to standard error, because standard output carries data only.
///
/// The command runs in a new process group. Dropping this future ends the group, so an interrupted build leaves no
/// compiler behind.
///
/// # Errors
/// The command cannot be started or fails.
pub(crate) async fn complete(mut command: Command, progress: &Progress) -> Result<(), Failure> {
    command.stdin(Stdio::null()).process_group(0);
    let lines = progress.lines();
    if lines.is_some() {
        // Compilers print without colours to a pipe unless this variable is set.
        command.env("CARGO_TERM_COLOR", "always");
    }
    // One pipe keeps the order of the lines of both streams.
    let (output, input) = std::io::pipe().map_err(Failure::Start)?;
    command.stdout(input.try_clone().map_err(Failure::Start)?).stderr(input);
    let output = Receiver::from_owned_fd(output.into()).map_err(Failure::Start)?;
    let mut group = Group(command.spawn().map_err(Failure::Start)?);
    // The output ends once no process has the other end of the pipe.
    drop(command);
    let mut output = pin!(forward(output, lines));
    let status = tokio::select! {
        status = group.0.wait() => {
            // A process that the command left behind may keep the pipes open.
            let _ = tokio::time::timeout(OUTPUT_TIMEOUT, output).await;
            status
        }
        _ = &mut output => group.0.wait().await,
    };
    let status = status.map_err(Failure::Start)?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::Status(status.to_string())),
    }
}

/// Sends each line of a pipe to the spinner, or to standard error without one.
async fn forward(pipe: Receiver, lines: Option<Sender<String>>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        match &lines {
            // The spinner lives as long as the step that runs the command.
            Some(lines) => drop(lines.send(text)),
            // The build commands of the manifest run as the user, so their output is written as it is.
            None => terminal::message(&text),
        }
        line.clear();
    }
}

/// A child that leads a process group.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is `None` once the child has been waited for. Its process id may then belong to another process.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // This fails only if the group has ended.
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }
}
