//! The database, in memory or in a file.

use std::path::Path;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use dynoxide::Database;

use crate::connector::Client;
use crate::error::Error;
use crate::operation::{self, Answer, Engine};
use crate::worker::Worker;

/// A DynamoDB in this process. Clones share the one database.
#[derive(Clone)]
pub struct Embedded {
    mode: Mode,
}

/// Where requests run.
#[derive(Clone)]
enum Mode {
    /// On the caller's thread: a request takes microseconds, less than handing it to another thread would.
    Memory(Engine),
    /// On the file's own thread: a write waits for the disk, which must not stop an executor's thread.
    File(Arc<Worker>),
}

impl Embedded {
    /// Opens a database that is gone with its last clone.
    ///
    /// # Errors
    /// [`Error::Engine`] when SQLite cannot start.
    pub fn memory() -> Result<Self, Error> {
        let database = Database::memory().map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Self { mode: Mode::Memory(Engine::new(database)) })
    }

    /// Opens, or creates, the database in the file `path`, on a thread of its own.
    ///
    /// A write is acknowledged once it is on the disk (SQLite's write-ahead log, `synchronous = FULL`), so it survives
    /// the end of the process however it ends. One process at a time can have the file open: beside it lies
    /// `<path>.lock`, which is locked while it is.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has the file open; [`Error::Io`], [`Error::Path`] or
    /// [`Error::Database`] when it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let worker = Worker::start(path.as_ref())?;
        Ok(Self { mode: Mode::File(Arc::new(worker)) })
    }

    /// The HTTP client with which the AWS SDK talks to this database.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Client::new(self.clone()))
    }

    /// Deletes the items whose time to live is over, in tables that have one, and says how many. Requests get their
    /// turn between pages of 25 items.
    ///
    /// # Errors
    /// [`Error::Engine`] when the engine fails, [`Error::Closed`] after [`Embedded::close`].
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

    /// Closes a file: waits for the requests under way, and then for the lock to be free. Later requests fail, those of
    /// clones too. In memory it does nothing. Acknowledged writes do not depend on it.
    pub async fn close(&self) {
        if let Mode::File(worker) = &self.mode {
            worker.stop().await;
        }
    }

    /// Answers one request; none when the database is closed.
    pub(crate) async fn answer(&self, target: String, body: Vec<u8>) -> Option<Answer> {
        match &self.mode {
            Mode::Memory(engine) => Some(operation::answer(engine, &target, &body)),
            Mode::File(worker) => worker.answer(target, body).await,
        }
    }

    /// Answers one request without waiting, where that is possible.
    pub(crate) fn answer_now(&self, target: &str, body: &[u8]) -> Option<Answer> {
        match &self.mode {
            Mode::Memory(engine) => Some(operation::answer(engine, target, body)),
            Mode::File(_) => None,
        }
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

/// One sweep of every table.
pub(crate) fn sweep(database: &Database) -> Result<usize, Error> {
    database.sweep_ttl().map_err(|error| Error::Engine(error.to_string()))
}
