//! The duration of posts, which is the same for all.
//!
//! A thread waits for the end of each post, because it sleeps with an error of a tenth of a millisecond; a Tokio timer
//! has an error of a millisecond. Posts end in the order in which they began.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

/// Maximum number of waiting posts. No function has so many concurrent posts.
const MAX_WAITING: usize = 1_024;
/// Maximum duration.
const LONGEST: Duration = Duration::from_secs(1);

type Waiting = (Instant, oneshot::Sender<()>);

/// A timer whose waits have the same length.
#[derive(Debug)]
pub struct Delay {
    waiting: SyncSender<Waiting>,
}

impl Delay {
    /// Starts the timer's thread, which ends when the timer is dropped.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start() -> Result<Self> {
        let (waiting, begun) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("delay".to_owned());
        thread.spawn(move || run(&begun)).context("cannot start a thread")?;
        Ok(Self { waiting })
    }

    /// Waits for `time`, at most a second. Returns false at once if too many posts wait already.
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
        // A function that has ended does not wait for its response.
        let _ = end.send(());
    }
}
