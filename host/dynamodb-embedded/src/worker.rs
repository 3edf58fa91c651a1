//! The thread that a file's database lives on.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use dynoxide::Database;
use tokio::sync::{mpsc, oneshot};

use crate::engine::sweep;
use crate::error::Error;
use crate::operation::{self, Answer, Engine};

/// Requests that wait for the thread. Behind a full queue callers wait, each within its own deadline.
const QUEUE: usize = 256;

enum Job {
    Request { target: String, body: Vec<u8>, reply: oneshot::Sender<Answer> },
    Sweep { reply: oneshot::Sender<Result<usize, Error>> },
    Stop { reply: oneshot::Sender<()> },
}

/// A handle to the thread, which ends when the handle is dropped or told to stop.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Locks and opens the file, and starts its thread.
    pub(crate) fn start(path: &Path) -> Result<Self, Error> {
        // SQLite reads a name such as `file:x` or `:memory:` in its own way; no absolute path is one.
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

    /// Answers one request; none when the database is closed.
    pub(crate) async fn answer(&self, target: String, body: Vec<u8>) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Request { target, body, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Sweeps, while requests go on.
    pub(crate) async fn sweep(&self) -> Result<usize, Error> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Sweep { reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Stops the thread and waits until file and lock are closed.
    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        // A send or an answer that fails means that the thread has ended, which is what is wanted.
        if self.jobs.send(Job::Stop { reply }).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

/// Takes the lock of the database at `path`. SQLite itself would let a second process in, and the two would answer from
/// different caches of table definitions.
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
            // A caller that has stopped waiting does not undo its request, as on AWS.
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

/// A sweep has a thread of its own: the engine lets waiting requests in between its pages, which it could not if the
/// requests were behind it in the queue.
fn start_sweep(database: &Database, reply: oneshot::Sender<Result<usize, Error>>) -> Option<JoinHandle<()>> {
    let database = database.clone();
    let thread = std::thread::Builder::new().name("tidegate-sweep".to_owned());
    // Without a thread the sender is dropped, and the caller is told that the database is closed.
    thread
        .spawn(move || {
            let _ = reply.send(sweep(&database));
        })
        .ok()
}

fn finish(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // A panic in the engine's sweep has been reported by the panic hook; the caller saw the dropped sender.
        let _ = thread.join();
    }
}
