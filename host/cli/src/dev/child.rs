//! A program that ends with the command that started it, even if that command is killed.
//!
//! The kernel ends a process together with its parent if the process has requested it. A process of the function
//! therefore starts as `tidegate tether`, makes this request, and then becomes the bootstrap. For the kernel, the
//! parent is the thread that started the process: here a worker of the executor, which lives as long as the command.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};

use crate::args;
use crate::ui::error::Result;

/// The name of the subcommand.
const NAME: &str = "tether";

/// Returns the command line to put in front of a program's path.
///
/// # Errors
/// The path of this program cannot be found.
pub(crate) fn command() -> Result<Vec<OsString>> {
    let this = std::env::current_exe().diagnose(Code::FileNotFound, || "cannot find the path of this program")?;
    Ok(vec![this.into(), NAME.into(), std::process::id().to_string().into()])
}

/// Replaces this process with the program.
///
/// # Errors
/// The command has ended, or the program cannot be run.
pub(crate) fn run(args: &args::Tether) -> Result<Infallible> {
    let what = || format!("cannot run `{}`", args.program.display());
    end_with_parent().diagnose(Code::ChildStartFailed, what)?;
    // The parent may have ended before this process made the request.
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    if parent != Some(args.parent) {
        return Err(Diagnostic::new(Code::ChildStartFailed, what(), "the command that started it has ended"));
    }
    let error = Command::new(&args.program).exec();
    Err(Diagnostic::caused_by(Code::ChildStartFailed, what(), &error))
}

#[cfg(target_os = "linux")]
fn end_with_parent() -> std::io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Does nothing. On other systems a stopped process gets SIGHUP when its process group is orphaned, and a running one
/// ends when it loses the Runtime API.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> std::io::Result<()> {
    Ok(())
}
