//! Tidegate's command line for a developer's machine: the binary `tidegate`, which wires every crate.
//!
//! - `args`: the command line, as clap parses it
//! - `build`: the commands `build`, `check` and `package`
//! - `dev`: the command `dev`: the local run
//! - `release`: the commands that publish releases and change the rollout
//! - `env`, `invoke`, `keys`, `token`: the commands with these names
//! - `private`: files that only their user can read
//! - `ui`: standard output, errors, progress and the log

mod args;
mod build;
mod dev;
mod env;
mod invoke;
mod keys;
mod private;
mod release;
mod token;
mod ui;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use futures_util::FutureExt as _;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_runtime::Engine;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinError;

use crate::args::{Cli, Command};
use crate::build::{check, package};
use crate::dev::child;
use crate::dev::shutdown::Shutdown;
use crate::ui::error::Result;

/// With the system allocator, allocation took a tenth of the time of an echo, and a quarter of the time to read the
/// members of a group.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The time that an interrupted command has for ending the processes that it started.
const CLEANUP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::refuse(&error),
    };
    let json = cli.command.json();
    let filter = std::env::var("TIDEGATE_LOG").ok();
    ui::terminal::start(matches!(cli.command, Command::Dev(_)));
    match ui::log::start(filter.as_deref()).and_then(|()| run(cli, json)) {
        Ok(code) => code,
        Err(error) => {
            let code = report(&error, json);
            ui::terminal::flush();
            code
        }
    }
}

/// Prints the error that ends a command, and returns its exit code.
fn report(error: &Diagnostic, json: bool) -> ExitCode {
    ui::error::print(error, json);
    ExitCode::FAILURE
}

fn run(cli: Cli, json: bool) -> Result<ExitCode> {
    if let Command::Tether(args) = &cli.command {
        return child::run(args).map(|never| match never {});
    }
    let runtime = runtime()?;
    let result = runtime.block_on(execute(cli, json));
    // Work that cannot be interrupted, for example compiling, must not delay the exit.
    runtime.shutdown_background();
    result
}

/// Runs the command until it ends or a signal ends it, and writes its last lines.
async fn execute(cli: Cli, json: bool) -> Result<ExitCode> {
    let mut shutdown = Shutdown::listen()?;
    let is_dev = matches!(cli.command, Command::Dev(_));
    let result = match run_until_signal(cli, &mut shutdown).await? {
        ControlFlow::Continue(result) => result,
        ControlFlow::Break(code) => return Ok(end_after_signal(code)),
    };
    let code = result.unwrap_or_else(|error| report(&error, json));
    if is_dev {
        // Its last lines wait for a reader for a limited time, so no signal has to end the wait. The signal that ended
        // the command would look like one.
        let _ = tokio::task::spawn_blocking(ui::terminal::flush).await;
        return Ok(code);
    }
    tokio::select! {
        // A signal also ends the wait for somebody who reads the last lines.
        _ = tokio::task::spawn_blocking(ui::terminal::flush) => Ok(code),
        code = shutdown.exit_code() => Ok(end_after_signal(code)),
    }
}

fn end_after_signal(code: ExitCode) -> ExitCode {
    ui::terminal::flush_if_read();
    code
}

/// Runs the command on a thread of its own, so that a signal is honoured even while the command waits for the file
/// system. Breaks with the exit code of the signal.
async fn run_until_signal(cli: Cli, shutdown: &mut Shutdown) -> Result<ControlFlow<ExitCode, Result<ExitCode>>> {
    let runtime = Handle::current();
    let (interrupt, interrupted) = oneshot::channel();
    let is_dev = matches!(cli.command, Command::Dev(_));
    let stop = if is_dev { Stop::Signals(Shutdown::listen()?) } else { Stop::Request(interrupted) };
    let mut command = tokio::task::spawn_blocking(move || runtime.block_on(run_command(&cli.command, stop)));
    let code = tokio::select! {
        ended = &mut command => {
            if is_dev {
                // The command may have ended after a signal that has not been seen here yet.
                let _ = shutdown.exit_code().now_or_never();
            }
            return Ok(ControlFlow::Continue(result_of(ended)));
        }
        code = shutdown.exit_code() => code,
    };
    if is_dev {
        // The command has handlers of its own: it drains its connections, and ends at once after a second signal.
        tokio::select! {
            ended = &mut command => return Ok(ControlFlow::Continue(result_of(ended))),
            _ = shutdown.exit_code() => {}
        }
    }
    // This fails only if the command has just ended, or is `tidegate dev`.
    let _ = interrupt.send(());
    let _ = tokio::time::timeout(CLEANUP, command).await;
    Ok(ControlFlow::Break(code))
}

/// The end of a command before it has completed.
enum Stop {
    /// The command handles signals itself.
    Signals(Shutdown),
    /// The command is dropped on request.
    Request(oneshot::Receiver<()>),
}

/// Runs the command to its end, or until it is stopped. Dropping the command ends the processes that it started.
async fn run_command(command: &Command, stop: Stop) -> Result<ExitCode> {
    match (command, stop) {
        (Command::Dev(args), Stop::Signals(mut shutdown)) => dev::run(args, &mut shutdown).await,
        (command, Stop::Request(interrupted)) => tokio::select! {
            result = run_to_end(command) => result,
            // The caller knows the exit code of the signal.
            _ = interrupted => Ok(ExitCode::FAILURE),
        },
        (command, Stop::Signals(_)) => run_to_end(command).await,
    }
}

fn result_of(ended: Result<Result<ExitCode>, JoinError>) -> Result<ExitCode> {
    ended.unwrap_or_else(|error| Err(Diagnostic::caused_by(Code::Internal, "cannot finish the command", &error)))
}

async fn run_to_end(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Dev(_) | Command::Tether(_) => {}
        Command::Build(args) => build::run(args).await?,
        Command::Check(args) => check::run(args).await?,
        Command::Package(args) => package::run(args).await?,
        Command::Invoke(args) => return invoke::run(args).await,
        Command::Env(args) => env::run(args)?,
        Command::Token(args) => token::run(args)?,
        Command::Release(command) => release::run(command).await?,
        Command::Keys(args::Keys::New(args)) => keys::new(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the executor. If a pool cannot keep the memory of guests resident, the executor has one thread: guests share
/// page tables, and two threads that contend for them run fewer events than one.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if !Engine::pagemap_scan() {
        builder.worker_threads(1);
    }
    builder.enable_all().build().diagnose(Code::Internal, || "cannot start the threads of the executor")
}
