//! The threads that run guests after their first slice.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{JoinHandle, Thread};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::account::Flight;
use super::cpu;
use super::fair_queue::FairQueue;
use super::place::{Place, Request, poll_in};
use super::run::Call;

/// The decrease of the priority of guest threads, so that a thread of the executor preempts them. It is small, because
/// guests also compete with the other processes of the machine.
const NICE: i32 = 4;

/// A call that waits for a guest thread.
pub(super) struct Task {
    pub(super) call: Call,
    pub(super) flight: Arc<Flight>,
    pub(super) client: Option<CancellationToken>,
    pub(super) home: oneshot::Sender<Back>,
    /// The executor, to which timers and connections belong.
    pub(super) executor: Handle,
}

/// A call that returns to the executor.
pub(super) enum Back {
    /// The call has completed.
    Ended,
    /// The call waits in a host call.
    Waits(Call),
    /// The host panicked.
    Panicked(Box<dyn Any + Send>),
}

/// The guest threads, and the guests that wait for them.
pub(super) struct GuestThreads {
    shared: Arc<Shared>,
    inbox: Sender<Task>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Only guest threads take this lock, so no thread of the executor waits for a thread of lower priority.
    queue: Mutex<Queue>,
    /// The number of guests in the inbox and in the queue.
    waiting: AtomicUsize,
    sleepers: Vec<Sleeper>,
    stop: AtomicBool,
}

struct Queue {
    inbox: Receiver<Task>,
    fair: FairQueue,
}

/// A guest thread that may be asleep.
#[derive(Default)]
struct Sleeper {
    thread: OnceLock<Thread>,
    is_asleep: AtomicBool,
}

impl GuestThreads {
    pub(super) fn start(count: u32) -> std::io::Result<Self> {
        let (inbox, received) = channel();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { inbox: received, fair: FairQueue::default() }),
            waiting: AtomicUsize::new(0),
            sleepers: (0..count).map(|_| Sleeper::default()).collect(),
            stop: AtomicBool::new(false),
        });
        let mut started = Self { shared, inbox, threads: Vec::new() };
        for index in 0..started.shared.sleepers.len() {
            let shared = Arc::clone(&started.shared);
            let thread = std::thread::Builder::new().name(format!("tidegate-guest-{index}"));
            started.threads.push(thread.spawn(move || shared.run(index))?);
        }
        Ok(started)
    }

    /// Queues a guest. Never waits.
    pub(super) fn push(&self, task: Task) {
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        // Sending fails only without a receiver, and `shared` owns the receiver.
        let _ = self.inbox.send(task);
        self.shared.wake_one();
    }

    /// Returns true if guests are waiting for a thread.
    pub(super) fn has_waiting(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        while self.shared.wake_one() {}
        for thread in self.threads.drain(..) {
            // A panic of a guest is caught, so there is nothing to report.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, index: usize) {
        // The guests then compete with the executor as equals, which is slower for neighbours but works.
        let _ = rustix::process::nice(NICE);
        let Some(sleeper) = self.sleepers.get(index) else { return };
        let _ = sleeper.thread.set(std::thread::current());
        while !self.stop.load(Ordering::SeqCst) {
            match self.take() {
                Some(task) => self.run_slice(task),
                None => self.sleep(sleeper),
            }
        }
    }

    fn take(&self) -> Option<Task> {
        let mut queue = self.lock();
        while let Ok(task) = queue.inbox.try_recv() {
            queue.fair.push(task);
        }
        let task = queue.fair.pop()?;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Some(task)
    }

    fn run_slice(&self, mut task: Task) {
        let is_unwanted = task.home.is_closed() || self.has_left(&task);
        if is_unwanted {
            // The drop frees a slot, which wakes tasks of the executor.
            let Task { call, executor, .. } = task;
            drop(executor.spawn(async move { drop(call) }));
            return;
        }
        let polled = {
            let _entered = task.executor.enter();
            let mut slice = || task.call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            cpu::begin();
            catch_unwind(AssertUnwindSafe(|| poll_in(Place::GuestThread, &mut slice)))
        };
        task.flight.charge_away(cpu::lap());
        let back = match polled {
            Ok((Poll::Ready(()), _)) => Back::Ended,
            Ok((Poll::Pending, Some(Request::GuestThread))) => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.lock().fair.push(task);
                return;
            }
            // The executor polls the call again, with a waker.
            Ok((Poll::Pending, _)) => Back::Waits(task.call),
            Err(panic) => Back::Panicked(panic),
        };
        // The call is dropped if nobody waits for it any more.
        let _ = task.home.send(back);
    }

    /// Returns true if the guest has not begun and its client has left.
    fn has_left(&self, task: &Task) -> bool {
        task.flight.cpu().is_zero() && task.client.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    fn sleep(&self, sleeper: &Sleeper) {
        // Both sides write before they read, and all of these accesses have one total order. Either this thread sees
        // the guest, or the pusher sees that this thread is asleep.
        sleeper.is_asleep.store(true, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::SeqCst) {
            std::thread::park();
        }
        sleeper.is_asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes a thread that is asleep. Returns false if there is none.
    fn wake_one(&self) -> bool {
        let woken = self.sleepers.iter().find(|sleeper| sleeper.is_asleep.swap(false, Ordering::SeqCst));
        if let Some(thread) = woken.and_then(|sleeper| sleeper.thread.get()) {
            thread.unpark();
        }
        woken.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
