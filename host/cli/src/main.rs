//! Tidegate's command line for a developer's machine: the binary `tidegate`, which wires every crate.
//!
//! - `args`: the command line, as clap parses it
//! - `build`: the commands `build`, `check` and `package`
//! - `dev`: the command `dev`: the local run
//! - `release`: the commands that publish releases and change the rollout
//! - `invoke`, `keys`, `token`: the commands with these names
//! - `ui`: standard output, errors, progress and the log

mod args;
mod build;
mod dev;
mod invoke;
mod keys;
mod release;
mod token;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_runtime::Engine;

use crate::args::{Cli, Command};
use crate::build::{check, package};
use crate::dev::child;
use crate::dev::shutdown::Shutdown;
use crate::ui::error::Result;

/// With the system allocator, allocation took a tenth of the time of an echo, and a quarter of the time to read the
/// members of a group.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
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

async fn execute(cli: Cli, json: bool) -> Result<ExitCode> {
    let mut shutdown = Shutdown::listen()?;
    let result = match &cli.command {
        // This command drains its connections after a signal.
        Command::Dev(args) => dev::run(args, &mut shutdown).await,
        command => tokio::select! {
            result = run_to_end(command) => result,
            // Dropping the command ends the processes that it started.
            code = shutdown.exit_code() => return Ok(end_after_signal(code)),
        },
    };
    let code = result.unwrap_or_else(|error| report(&error, json));
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

async fn run_to_end(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Dev(_) | Command::Tether(_) => {}
        Command::Build(args) => build::run(args).await?,
        Command::Check(args) => check::run(args).await?,
        Command::Package(args) => package::run(args).await?,
        Command::Invoke(args) => return invoke::run(args).await,
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
