//! The duration of a post, which is the same for all posts.
//!
//! A thread waits for the end of each post. A sleeping thread has an error of a tenth of a millisecond, and a Tokio
//! timer has an error of a millisecond. Posts end in the order in which they began.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

/// Maximum number of waiting posts. No function has this many concurrent posts.
const MAX_WAITING: usize = 1_024;
/// Maximum duration.
const LONGEST: Duration = Duration::from_secs(1);

type Waiting = (Instant, oneshot::Sender<()>);

/// A timer whose waits all have the same length.
#[derive(Debug)]
pub struct Delay {
    waiting: SyncSender<Waiting>,
}

impl Delay {
    /// Starts the timer's thread, which ends when the timer is dropped.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start() -> Result<Self> {
        let (waiting, begun) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("delay".to_owned());
        thread.spawn(move || run(&begun)).context("cannot start a thread")?;
        Ok(Self { waiting })
    }

    /// Waits for `time`, at most a second. Returns false immediately if too many posts are already waiting.
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
        // The receiver is gone if the function has ended.
        let _ = end.send(());
    }
}
