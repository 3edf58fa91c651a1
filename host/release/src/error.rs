//! Errors of reading and writing a release's folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A release's folder that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its app is not valid.
    #[error(transparent)]
    App(#[from] tidegate_app::Error),
    /// The file system refused.
    #[error("cannot {attempted} `{}`: {source}", path.display())]
    Io {
        /// The operation, such as `read`.
        attempted: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file or folder is missing.
    #[error("no `{}`\nhint: {hint}", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
        /// The remedy.
        hint: String,
    },
    /// A file is invalid, or does not belong to the release.
    #[error("{}: {problem}{}", path.display(), Hint(hint))]
    Artifact {
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: &'static str,
        /// The remedy, where one is known.
        hint: Option<String>,
    },
}

impl Error {
    /// Returns a closure for `map_err` on a call of the file system.
    pub(crate) fn io(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { attempted, path, source }
    }
}

struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}
