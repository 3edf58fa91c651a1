//! Tidegate's command line for a developer's machine: bin `tidegate`, which wires every crate.
//!
//! - `args`: the command line, as clap parses it
//! - `dev`, `build`, `check`, `package`, `invoke`, `token`: the commands
//! - `release`: the commands on releases; `keys`: those that sign them
//! - `bootstrap`: the host's binary for Lambda
//! - `built`: components as they were built, held against the manifest
//! - `cache`: compiled components by content
//! - `local`: the ports of one machine, over DynamoDB in process
//! - `api`: the gateway's configuration of an app
//! - `integration`: what the gateway invokes; `in_process`: the host; `on_lambda`: its functions, as processes of their own
//! - `deployed`: the release of one run; `tether`: a program that ends with this one
//! - `reload`: a running app that follows its files, which `watch` watches; `follow`: one that follows releases
//! - `config`: configuration values of a development run
//! - `shell`: a build command; `progress`: what it prints meanwhile; `output`: what is data; `log`; `shutdown`

mod api;
mod args;
mod bootstrap;
mod build;
mod built;
mod cache;
mod check;
mod config;
mod deployed;
mod dev;
mod follow;
mod in_process;
mod integration;
mod invoke;
mod keys;
mod local;
mod log;
mod on_lambda;
mod output;
mod package;
mod progress;
mod release;
mod reload;
mod shell;
mod shutdown;
mod tether;
mod token;
mod watch;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser as _;
use tidegate_runtime::Engine;

use crate::args::{Cli, Command};
use crate::shutdown::Shutdown;

/// A tenth of an echo, and a quarter of reading a group's members, was spent in the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = std::env::var("TIDEGATE_LOG").ok();
    match log::start(filter.as_deref()).and_then(|()| run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    if let Command::Tether(args) = &cli.command {
        return tether::run(args).map(|never| match never {});
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
