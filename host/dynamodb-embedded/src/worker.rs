//! The thread of a database in a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use dynoxide::Database;
use tokio::sync::{mpsc, oneshot};

use crate::engine::sweep;
use crate::error::Error;
use crate::operation::{self, Answer, Engine};

/// The maximum number of queued requests. While the queue is full, each caller waits until its deadline.
const QUEUE: usize = 256;

enum Job {
    Request { target: String, body: Vec<u8>, reply: oneshot::Sender<Answer> },
    Sweep { reply: oneshot::Sender<Result<usize, Error>> },
    Stop { reply: oneshot::Sender<()> },
}

/// A handle to the thread. The thread ends when the handle is dropped or stopped.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Locks and opens the file, and starts its thread.
    pub(crate) fn start(path: &Path) -> Result<Self, Error> {
        // SQLite gives names such as `file:x` and `:memory:` a special meaning. An absolute path has no special
        // meaning.
        let path = std::path::absolute(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let name = path.to_str().ok_or_else(|| Error::Path(path.clone()))?;
        let lock = lock(&path)?;
        let database =
            Database::new(name).map_err(|error| Error::Database { path: path.clone(), reason: error.to_string() })?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("tidegate-data".to_owned())
            .spawn(move || run(Engine::new(database), lock, queue))
            .map_err(|source| Error::Io { path, source })?;
        Ok(Self { jobs })
    }

    /// Handles a request. Returns `None` if the database is closed.
    pub(crate) async fn answer(&self, target: String, body: Vec<u8>) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Request { target, body, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Deletes expired items while other requests continue.
    pub(crate) async fn sweep(&self) -> Result<usize, Error> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Sweep { reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Stops the thread, and waits until the file and its lock are closed.
    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        // If the send or the reply fails, the thread has already ended.
        if self.jobs.send(Job::Stop { reply }).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// Takes the lock of the database at `path`. SQLite would allow a second process, but the cached table definitions of
/// the two processes could differ.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|source| Error::Io { path: lock_path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(Error::Io { path: lock_path, source }),
    }
}

fn run(engine: Engine, lock: File, mut queue: mpsc::Receiver<Job>) {
    let mut sweeping: Option<JoinHandle<()>> = None;
    let mut stop = None;
    while let Some(job) = queue.blocking_recv() {
        match job {
            // As on AWS, a request is applied even if its caller has stopped waiting.
            Job::Request { target, body, reply } => {
                let _ = reply.send(operation::answer(&engine, &target, &body));
            }
            Job::Sweep { reply } => {
                finish(sweeping.take());
                sweeping = start_sweep(&engine.database, reply);
            }
            Job::Stop { reply } => {
                stop = Some(reply);
                break;
            }
        }
    }
    drop(queue);
    finish(sweeping);
    drop(engine);
    drop(lock);
    if let Some(reply) = stop {
        let _ = reply.send(());
    }
}

/// Starts a thread for a sweep. The engine can run waiting requests between the pages of a sweep, but not if the
/// requests are queued behind the sweep.
fn start_sweep(database: &Database, reply: oneshot::Sender<Result<usize, Error>>) -> Option<JoinHandle<()>> {
    let database = database.clone();
    let thread = std::thread::Builder::new().name("tidegate-sweep".to_owned());
    // If the thread cannot start, the sender is dropped and the caller receives `Error::Closed`.
    thread
        .spawn(move || {
            let _ = reply.send(sweep(&database));
        })
        .ok()
}

fn finish(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // The panic hook has already reported a panic in the sweep, and the caller has received an error.
        let _ = thread.join();
    }
}
