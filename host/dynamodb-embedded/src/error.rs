//! Errors of the embedded database.

use std::path::PathBuf;

/// A database that cannot be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another [`Embedded`](crate::Embedded) in this process, has the file open.
    #[error("the data file `{}` is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The data file or its lock cannot be opened.
    #[error("cannot open `{}`: {source}", path.display())]
    Io {
        /// The path of the data file or of its lock.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The path is not UTF-8, which SQLite needs.
    #[error("the path `{}` is not UTF-8", .0.display())]
    Path(PathBuf),
    /// The file is not a database of this engine, or was written by a newer engine.
    #[error("cannot open the data file `{}`: {reason}", path.display())]
    Database {
        /// The path of the data file.
        path: PathBuf,
        /// The engine's message.
        reason: String,
    },
    /// The engine cannot start, or a call to it failed.
    #[error("the embedded database failed: {0}")]
    Engine(String),
    /// The database was closed.
    #[error("the embedded database is closed")]
    Closed,
}
