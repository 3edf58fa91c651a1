//! A database in memory or in a file.

use std::path::Path;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use dynoxide::Database;

use crate::connector::Client;
use crate::error::Error;
use crate::operation::{Answer, Engine, SMALL_BYTES};
use crate::worker::Worker;

/// An in-process DynamoDB. Clones share the database.
#[derive(Clone)]
pub struct Embedded {
    mode: Mode,
}

/// The thread that runs requests.
#[derive(Clone)]
enum Mode {
    /// The caller's thread: a small request takes microseconds, less than passing it to another thread would.
    Memory(Engine),
    /// A dedicated thread: a write waits for the disk, and must not block a thread of an executor.
    File(Arc<Worker>),
}

impl Embedded {
    /// Creates a database in memory, which exists until its last clone is dropped.
    ///
    /// # Errors
    /// [`Error::Engine`] if SQLite cannot start.
    pub fn memory() -> Result<Self, Error> {
        let database = Database::memory().map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Self { mode: Mode::Memory(Engine::new(database)) })
    }

    /// Opens or creates the database in the file `path`, and starts its thread.
    ///
    /// A write is acknowledged after it is on the disk (SQLite's write-ahead log, `synchronous = FULL`), so it survives
    /// a crash of the process. Only one process at a time can open the file: it holds a lock on the file `<path>.lock`.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has the file open; [`Error::Io`], [`Error::Path`] or [`Error::Database`] if
    /// the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let worker = Worker::start(path.as_ref())?;
        Ok(Self { mode: Mode::File(Arc::new(worker)) })
    }

    /// Returns an HTTP client that handles the requests of the AWS SDK.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Client::new(self.clone()))
    }

    /// Deletes the expired items of every table with a time to live, and returns their number. Other requests can run
    /// between pages of 25 items.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine fails, [`Error::Closed`] after [`Embedded::close`].
    pub async fn sweep(&self) -> Result<usize, Error> {
        match &self.mode {
            Mode::Memory(engine) => {
                let database = engine.database.clone();
                tokio::task::spawn_blocking(move || sweep(&database))
                    .await
                    .map_err(|error| Error::Engine(error.to_string()))?
            }
            Mode::File(worker) => worker.sweep().await,
        }
    }

    /// Closes the file after the running requests, and releases its lock. Later requests fail, including those of
    /// clones. Does nothing for a database in memory. Acknowledged writes are safe without this call.
    pub async fn close(&self) {
        if let Mode::File(worker) = &self.mode {
            worker.stop().await;
        }
    }

    /// Handles a request. Returns `None` if the database is closed.
    pub(crate) async fn answer(&self, target: String, body: Vec<u8>) -> Option<Answer> {
        match &self.mode {
            Mode::Memory(engine) => {
                let engine = engine.clone();
                tokio::task::spawn_blocking(move || engine.answer_beside(&target, &body)).await.ok()
            }
            Mode::File(worker) => worker.answer(target, body).await,
        }
    }

    /// Handles a request immediately if the database is in memory and the request is small.
    pub(crate) fn answer_now(&self, target: &str, body: &[u8]) -> Option<Answer> {
        let Mode::Memory(engine) = &self.mode else { return None };
        // While another thread has the database, the caller's thread would wait for it.
        if body.len() > SMALL_BYTES || engine.takes_moved_read(target) || engine.works_beside() {
            return None;
        }
        Some(engine.answer(target, body))
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.mode {
            Mode::Memory(_) => "Embedded(memory)",
            Mode::File(_) => "Embedded(file)",
        })
    }
}

/// Deletes the expired items of every table.
pub(crate) fn sweep(database: &Database) -> Result<usize, Error> {
    database.sweep_ttl().map_err(|error| Error::Engine(error.to_string()))
}
