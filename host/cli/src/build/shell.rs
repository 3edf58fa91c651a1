//! Commands that build: those of the manifest, run by the shell, and Tidegate's own.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Runs `line` by `sh -c` in `dir`, as [`complete`] does.
///
/// # Errors
/// When the shell cannot be started or the command fails.
pub(crate) async fn run(line: &str, dir: &Path) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(dir);
    complete(command).await
}

/// Runs a command to its end. What it prints goes to standard error: standard output is data.
///
/// The command is a process group of its own, and the group is ended when this future is dropped, so that an
/// interrupted build leaves no compiler behind.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) async fn complete(mut command: Command) -> Result<()> {
    let started = command.stdin(Stdio::null()).stdout(std::io::stderr()).process_group(0).spawn();
    let child = started.with_context(|| {
        let (program, dir) = (command.as_std().get_program(), command.as_std().get_current_dir());
        format!("cannot start `{}` in `{}`", program.display(), dir.unwrap_or(Path::new(".")).display())
    })?;
    let mut group = Group(child);
    let status = group.0.wait().await?;
    if !status.success() {
        bail!("the command ended with {status}");
    }
    Ok(())
}

/// A child that leads a process group.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is none once the child has been waited for; its number may belong to another process by then.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only when the group is gone, which is what it is for.
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }
}
