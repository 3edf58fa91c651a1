//! What is wrong with a manifest, an app or a folder.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a manifest, an app or a release could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("cannot {attempted} `{}`: {source}", path.display())]
    Io {
        /// What was attempted, such as `read`.
        attempted: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file or folder that must be there is not.
    #[error("no `{}`\nhint: {hint}", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// The text is no TOML or no JSON.
    #[error("{}:{line}: {problem}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key of the file is not what it must be.
    #[error("{}{}: `{}`: {problem}{}", file.display(), Line(*line), key, Hint(hint))]
    Key {
        /// The file.
        file: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The key, such as `routes.chat.grants.storage.rooms`.
        key: String,
        /// What is wrong.
        problem: String,
        /// What to do, where a fix is known.
        hint: Option<String>,
    },
}

impl Error {
    /// For `map_err` on a call of the file system.
    pub(crate) fn io(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { attempted, path, source }
    }
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}
