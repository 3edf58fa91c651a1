//! The clock of guests: advances the epoch of the engine while guests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The length of an epoch. A CPU-bound guest yields to the other guests once per epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The number of ticks for which the thread continues after the last guest has ended, so that a busy host does not wake
/// the thread for each event.
const LINGER: u32 = 20;

/// A thread that advances the epoch. A timer of the executor would not work, because a CPU-bound guest occupies the
/// executor's thread.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// Keeps the epoch advancing until the guard is dropped.
pub(crate) struct TickGuard(Arc<Shared>);

impl Ticker {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("tidegate-ticker".to_owned()).spawn(move || tick(&engine, &seen))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn run(&self) -> TickGuard {
        // Each side writes its own flag before it reads the flag of the other side, and all these accesses have one
        // total order. Either the thread sees this guest before it sleeps, or this guest sees the sleeping thread and
        // wakes it.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        TickGuard(Arc::clone(&self.shared))
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for TickGuard {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread only sleeps and counts, so its result does not matter.
            let _ = thread.join();
        }
    }
}

fn tick(engine: &wasmtime::Engine, shared: &Shared) {
    let mut idle = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.running.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > LINGER {
            sleep_until_woken(shared);
            idle = 0;
            continue;
        }
        std::thread::sleep(TICK);
        engine.increment_epoch();
    }
}

fn sleep_until_woken(shared: &Shared) {
    shared.asleep.store(true, Ordering::SeqCst);
    while shared.running.load(Ordering::SeqCst) == 0 && !shared.stop.load(Ordering::SeqCst) {
        std::thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}
