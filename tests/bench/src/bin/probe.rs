//! Probes a server over one socket until standard input ends. Each event is one line of JSON on standard output.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tidegate_bench::probe::{ProbeEvent, Prober, Totals};
use tokio::io::AsyncReadExt as _;

#[derive(Parser)]
struct Arguments {
    /// URL of the server, `ws://host:port/path`
    #[arg(long)]
    url: String,
    /// Microseconds between a reply and the next probe
    #[arg(long, default_value_t = 200)]
    pause: u64,
    /// File whose replacement is reported too
    #[arg(long)]
    file: Option<PathBuf>,
}

/// A line of the output.
#[derive(Serialize)]
struct Line<T> {
    /// Nanoseconds of the system's monotonic clock, which the parent process also reads.
    at_ns: u64,
    #[serde(flatten)]
    event: T,
}

/// Events of this program, in addition to the prober's events.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum ProgramEvent {
    /// The watched file was replaced by another.
    FileReplaced,
    /// The last line.
    Finished(Totals),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { url, pause, file } = Arguments::parse();
    let _watcher = file.map(|file| watch(&file)).transpose()?;
    let pause = Duration::from_micros(pause);
    let on_event = |event: ProbeEvent| print(now(), event);
    let mut prober = Prober::new(&url, &on_event);
    let mut input = tokio::io::stdin();
    let mut input_ended =
        std::pin::pin!(async move { while input.read(&mut [0]).await.is_ok_and(|length| length > 0) {} });
    loop {
        tokio::select! {
            biased;
            () = &mut input_ended => break,
            probed = prober.probe() => probed?,
        }
        // Tokio's timer counts whole milliseconds, and this thread has nothing else to run.
        std::thread::sleep(pause);
    }
    let totals = prober.finish().await;
    print(now(), ProgramEvent::Finished(totals));
    Ok(())
}

/// Reports each replacement of `file` until the returned watcher is dropped.
fn watch(file: &Path) -> Result<RecommendedWatcher> {
    let folder = file.parent().context("the file has no folder")?;
    let name = file.file_name().context("the file has no name")?.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let at = now();
        let Ok(event) = event else { return };
        // Systems that report both names of a rename first report the new name alone.
        let moved = matches!(event.kind, EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any)));
        if moved && event.paths.iter().any(|path| path.file_name() == Some(&name)) {
            print(at, ProgramEvent::FileReplaced);
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

/// Prints a line. A failure is ignored: when the parent process exits, standard input ends too.
fn print(at_ns: u64, event: impl Serialize) {
    if let Ok(line) = serde_json::to_string(&Line { at_ns, event }) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
