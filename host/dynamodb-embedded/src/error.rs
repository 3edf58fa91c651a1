//! Why a database cannot be opened or swept.

use std::path::PathBuf;

/// Why a database cannot be opened or swept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another [`Embedded`](crate::Embedded) of this one, has the file open.
    #[error(
        "the data file `{}` is in use by another process; hint: stop that process or choose another data directory",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file system refused the data file or its lock.
    #[error("cannot open `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is not UTF-8, which SQLite needs.
    #[error("the path `{}` is not UTF-8; hint: choose another data directory", .0.display())]
    Path(PathBuf),
    /// The file is no database of this engine, or a newer engine wrote it.
    #[error("cannot open the data file `{}`: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// The engine cannot start or work.
    #[error("the embedded database failed: {0}")]
    Engine(String),
    /// The database was closed.
    #[error("the embedded database is closed")]
    Closed,
}
