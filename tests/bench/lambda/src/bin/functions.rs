//! Measures Lambda functions that do the same job, and prints the report as one line of JSON on standard output.
//!
//! Every round visits every function, so a slow phase of the machine affects all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use tidegate_bench_lambda::aws::{Aws, Seen};
use tidegate_bench_lambda::behaviour::{self, Behaviour};
use tidegate_bench_lambda::function::Function;
use tidegate_bench_lambda::process::Process;
use tidegate_bench_lambda::published::{self, Published};
use tidegate_bench_lambda::report::Report;
use tidegate_bench_lambda::warm::{self, Times};
use tidegate_bench_lambda::{cold, events, fanout};

/// Number of receivers of a chat message, including its sender.
const ROOM: usize = 2;
/// Number of turns over which the warm events of a function are spread.
const TURNS: usize = 10;
/// Number of unmeasured warm events before the first turn.
const WARM_UP: usize = 50;

#[derive(Parser)]
struct Arguments {
    /// Folder of Tidegate's unpacked package
    #[arg(long)]
    tidegate: PathBuf,
    /// Folder of published releases with an active one, for measurements with a store of releases
    #[arg(long)]
    releases: Option<PathBuf>,
    /// Native handler, started as in its runtime's documentation
    #[arg(long)]
    native: Option<PathBuf>,
    /// Native handler on one thread
    #[arg(long)]
    native_one_thread: Option<PathBuf>,
    /// Python interpreter with the runtime and the SDK
    #[arg(long, requires = "app")]
    python: Option<PathBuf>,
    /// Folder of the Python handler
    #[arg(long)]
    app: Option<PathBuf>,
    /// Number of cold starts of each function
    #[arg(long)]
    cold: usize,
    /// Number of warm events of each kind and function
    #[arg(long)]
    events: usize,
    /// Number of broadcasts of each function
    #[arg(long)]
    broadcasts: usize,
}

/// A running function and its measurements so far.
struct Running {
    function: Function,
    process: Process,
    echo: Times,
    chat: Times,
}

// The driver, the Runtime API and the stub share one thread, which leaves the other cores to the function.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let functions = functions(&arguments)?;
    let aws = Aws::start(arguments.releases.as_deref().map(Published::read).transpose()?).await?;
    agree(&functions, &aws, fanout::MEMBERS).await?;
    let Behaviour { start, echo, chat } = agree(&functions, &aws, ROOM).await?;
    let mut report = Report { start_calls: start, echo_calls: echo.calls, chat_calls: chat.calls, ..Report::default() };
    cold_starts(&functions, &aws, arguments.cold, &mut report).await?;
    let mut running = Vec::new();
    for function in functions {
        let process = Process::start(&function, &aws.url()).await?;
        running.push(Running { function, process, echo: Times::default(), chat: Times::default() });
    }
    warm_events(&mut running, &aws, arguments.events, &mut report).await?;
    broadcasts(&mut running, &aws, arguments.broadcasts, &mut report).await?;
    for Running { process, .. } in running {
        process.stop().await?;
    }
    aws.forget_cached()?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Returns the functions. Paths become absolute, because each function starts in a separate folder.
fn functions(arguments: &Arguments) -> Result<Vec<Function>> {
    let package = absolute(&arguments.tidegate)?;
    let mut functions = vec![Function::tidegate(&package)];
    if arguments.releases.is_some() {
        functions.push(Function::following("tidegate_following", &package, published::EMPTY));
        functions.push(Function::following("tidegate_released", &package, published::ACTIVE));
    }
    for (name, program) in [("native", &arguments.native), ("native_one_thread", &arguments.native_one_thread)] {
        if let Some(program) = program {
            functions.push(Function::native(name, &absolute(program)?));
        }
    }
    if let (Some(interpreter), Some(app)) = (&arguments.python, &arguments.app) {
        functions.push(Function::python(&absolute(interpreter)?, &absolute(app)?));
    }
    Ok(functions)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot find `{}`", path.display()))
}

/// Returns the common behaviour of the functions with a group of `members`, or an error if their behaviour differs. The
/// check starts each function once, which also loads the function's files into the page cache.
async fn agree(functions: &[Function], aws: &Aws, members: usize) -> Result<Behaviour> {
    aws.set(members, Duration::ZERO);
    let mut agreed: Option<Behaviour> = None;
    for function in functions {
        let seen = behaviour::watch(function, aws).await?;
        let differences = agreed.as_ref().map(|agreed| agreed.differences(&seen)).unwrap_or_default();
        if !differences.is_empty() {
            bail!("`{}` does not do the same: {}", function.name, differences.join("; "));
        }
        agreed.get_or_insert(seen);
    }
    agreed.context("there is no function")
}

async fn cold_starts(functions: &[Function], aws: &Aws, rounds: usize, report: &mut Report) -> Result<()> {
    for round in 0..rounds {
        for index in order(functions.len(), round) {
            let Some(function) = functions.get(index) else { continue };
            aws.forget_cached()?;
            let took = cold::run(function, aws).await?;
            report.functions.entry(function.name).or_default().cold_ms.push(took);
        }
    }
    Ok(())
}

/// Returns the order of a round. Every other round is reversed, so no function always follows the same one.
fn order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |index| if round.is_multiple_of(2) { index } else { count - 1 - index })
}

async fn warm_events(running: &mut [Running], aws: &Aws, count: usize, report: &mut Report) -> Result<()> {
    aws.set(ROOM, Duration::ZERO);
    let echo = events::echo();
    let chat = events::chat();
    for one in &mut *running {
        warm::run(&mut one.process, &echo, WARM_UP, &mut Times::default()).await?;
        warm::run(&mut one.process, &chat, WARM_UP, &mut Times::default()).await?;
    }
    drop(aws.take());
    let turn = count.div_ceil(TURNS);
    for round in 0..TURNS {
        for index in order(running.len(), round) {
            let Some(one) = running.get_mut(index) else { continue };
            warm::run(&mut one.process, &echo, turn, &mut one.echo).await?;
        }
        for index in order(running.len(), round) {
            let Some(one) = running.get_mut(index) else { continue };
            warm::run(&mut one.process, &chat, turn, &mut one.chat).await?;
        }
    }
    // Each event must have made the same calls as in the check before the measurements.
    let expected = running.len() * turn * TURNS;
    let Seen { calls, of_releases, .. } = aws.take();
    report.release_calls = of_releases;
    let count = |operation| calls.get(operation).copied().unwrap_or_default();
    if report.chat_calls.iter().any(|(operation, per_event)| count(operation) != per_event * expected) {
        bail!("the calls of {expected} chat messages were {calls:?}, and of one {:?}", report.chat_calls);
    }
    for one in running {
        let measured = report.functions.entry(one.function.name).or_default();
        measured.memory_kib = one.process.memory_kib()?;
        measured.echo = std::mem::take(&mut one.echo).into();
        measured.chat = std::mem::take(&mut one.chat).into();
    }
    Ok(())
}

async fn broadcasts(running: &mut [Running], aws: &Aws, rounds: usize, report: &mut Report) -> Result<()> {
    aws.set(fanout::MEMBERS, fanout::POST);
    for one in &mut *running {
        // The first broadcast opens the connections.
        fanout::run(&mut one.process, aws).await?;
    }
    for _ in 0..rounds {
        for one in &mut *running {
            let broadcast = fanout::run(&mut one.process, aws).await?;
            report.functions.entry(one.function.name).or_default().add(&broadcast);
        }
    }
    for one in running {
        let memory = one.process.memory_kib().context("after the broadcasts")?;
        report.functions.entry(one.function.name).or_default().memory_after_fanout_kib = memory;
    }
    Ok(())
}
