//! Asks a server over one socket which version answers, until standard input ends. Each change is one line of JSON on standard
//! output, with its time.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tidegate_bench::asking::{Asker, Totals, What};
use tokio::io::AsyncReadExt as _;

#[derive(Parser)]
struct Arguments {
    /// The server, `ws://host:port/path`.
    #[arg(long)]
    url: String,
    /// Microseconds between an answer and the next question.
    #[arg(long, default_value_t = 200)]
    pause: u64,
    /// A file; when another one takes its place is told too.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// A line of the output.
#[derive(Serialize)]
struct Line<T> {
    /// Nanoseconds of the system's monotonic clock, which whoever started this reads too.
    at_ns: u64,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Else {
    /// Another file is in the place of the one that was given.
    Replaced,
    /// The last line.
    Ended(Totals),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { url, pause, file } = Arguments::parse();
    let _watching = file.map(|file| watch(&file)).transpose()?;
    let pause = Duration::from_micros(pause);
    let tell = |what: What| print(now(), what);
    let mut asker = Asker::new(&url, &tell);
    let mut input = tokio::io::stdin();
    let mut ended = std::pin::pin!(async move { while input.read(&mut [0]).await.is_ok_and(|length| length > 0) {} });
    loop {
        tokio::select! {
            biased;
            () = &mut ended => break,
            asked = asker.ask() => asked?,
        }
        // Nothing else is to run here, and the executor's timer counts whole milliseconds.
        std::thread::sleep(pause);
    }
    let totals = asker.end().await;
    print(now(), Else::Ended(totals));
    Ok(())
}

/// Tells when another file takes the place of `file`, for as long as the result lives.
fn watch(file: &Path) -> Result<RecommendedWatcher> {
    let folder = file.parent().context("the file has no folder")?;
    let name = file.file_name().context("the file has no name")?.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let at = now();
        let Ok(event) = event else { return };
        // Where the system tells of both names at once, it tells of the new one alone first.
        let moved = matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any)));
        if moved && event.paths.iter().any(|path| path.file_name() == Some(&name)) {
            print(at, Else::Replaced);
        }
    })?;
    let watching = watcher.watch(folder, RecursiveMode::NonRecursive);
    watching.with_context(|| format!("cannot watch the folder `{}`", folder.display()))?;
    Ok(watcher)
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let whole = |part: i64| u64::try_from(part).unwrap_or_default();
    whole(now.tv_sec).saturating_mul(1_000_000_000).saturating_add(whole(now.tv_nsec))
}

/// Whoever reads the output may have ended; then standard input ends too.
fn print(at_ns: u64, what: impl Serialize) {
    if let Ok(line) = serde_json::to_string(&Line { at_ns, what }) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
