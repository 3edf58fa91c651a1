//! Tidegate's command line for a developer's machine: bin `tidegate`, which wires every crate.
//!
//! - `args`: the command line, as clap parses it
//! - `build`: the commands `build`, `check` and `package`
//! - `dev`: the command `dev`: the local run
//! - `release`: the commands that publish releases and change the rollout
//! - `invoke`, `keys`, `token`: the commands of these names
//! - `ui`: standard output, progress and the log

mod args;
mod build;
mod dev;
mod invoke;
mod keys;
mod release;
mod token;
mod ui;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser as _;
use tidegate_runtime::Engine;

use crate::args::{Cli, Command};
use crate::build::{check, package};
use crate::dev::child;
use crate::dev::shutdown::Shutdown;

/// A tenth of an echo, and a quarter of reading a group's members, was spent in the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = std::env::var("TIDEGATE_LOG").ok();
    match ui::log::start(filter.as_deref()).and_then(|()| run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    if let Command::Tether(args) = &cli.command {
        return child::run(args).map(|never| match never {});
    }
    let runtime = runtime()?;
    let result = runtime.block_on(execute(cli));
    // Work that cannot be interrupted, such as compiling, must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn execute(cli: Cli) -> Result<ExitCode> {
    let mut shutdown = Shutdown::listen()?;
    let command = match &cli.command {
        // It drains when it is told to end.
        Command::Dev(args) => return dev::run(args, shutdown).await,
        command => run_to_end(command),
    };
    tokio::select! {
        result = command => result,
        // Dropping the command ends what it started.
        code = shutdown.exit_code() => Ok(code),
    }
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

/// Guests share page tables, which threads contend for unless a pool keeps their memory resident: without that, one
/// thread runs more events than two.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if !Engine::pagemap_scan() {
        builder.worker_threads(1);
    }
    builder.enable_all().build().context("cannot start the runtime's threads")
}
