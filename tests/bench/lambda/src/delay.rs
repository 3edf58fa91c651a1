//! How long a post takes: every one equally long.
//!
//! A thread waits, because it sleeps to within a tenth of a millisecond, and a timer of the executor about a millisecond
//! longer than it was told to. As all wait equally long, they end in the order in which they began.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

/// The most posts that wait at once; no function has so many under way.
const MAX_WAITING: usize = 1_024;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(1);

type Waiting = (Instant, oneshot::Sender<()>);

/// Waits of one length at a time.
#[derive(Debug)]
pub struct Delay {
    waiting: SyncSender<Waiting>,
}

impl Delay {
    /// Starts its thread, which ends when this is dropped.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start() -> Result<Self> {
        let (waiting, begun) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("delay".to_owned());
        thread.spawn(move || run(&begun)).context("cannot start a thread")?;
        Ok(Self { waiting })
    }

    /// Waits for `time`, at most a second; false, at once, when too many wait already.
    pub async fn wait(&self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        let (end, ended) = oneshot::channel();
        self.waiting.try_send((Instant::now() + time.min(LONGEST), end)).is_ok() && ended.await.is_ok()
    }
}

fn run(begun: &Receiver<Waiting>) {
    for (due, end) in begun {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // A function that was ended does not wait for its answer.
        let _ = end.send(());
    }
}
