//! A program that ends with the command that started it, even when that is killed.
//!
//! The kernel ends a process with its parent if the process asks for it, so a function's process begins here, asks, and
//! becomes its program. The kernel takes the thread that started it for the parent: an executor's worker, which lives as
//! long as the command.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::args;

/// The subcommand's name.
const NAME: &str = "tether";

/// What a program is started through, with its path after it.
///
/// # Errors
/// When the path of this program cannot be found.
pub(crate) fn command() -> Result<Vec<OsString>> {
    let this = std::env::current_exe().context("cannot find this program")?;
    Ok(vec![this.into(), NAME.into(), std::process::id().to_string().into()])
}

/// Becomes the program.
///
/// # Errors
/// When the command has ended already, or the program cannot be run.
pub(crate) fn run(args: &args::Tether) -> Result<Infallible> {
    tie().context("cannot be tied to the command")?;
    // It may have ended before it was asked about.
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    if parent != Some(args.parent) {
        bail!("the command has ended");
    }
    let error = Command::new(&args.program).exec();
    Err(anyhow!("cannot run `{}`: {error}", args.program.display()))
}

#[cfg(target_os = "linux")]
fn tie() -> std::io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Elsewhere a process that is stopped is hung up on when its group is orphaned, and one that runs finds no Runtime API.
#[cfg(not(target_os = "linux"))]
fn tie() -> std::io::Result<()> {
    Ok(())
}
