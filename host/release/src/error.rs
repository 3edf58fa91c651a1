//! Errors of release folders.

use std::io;
use std::path::{Path, PathBuf};

use tidegate_diagnostic::{Code, Diagnostic};

/// A failure to read or write a release folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The app is not valid.
    #[error(transparent)]
    App(#[from] tidegate_app::Error),
    /// A call of the file system failed.
    #[error("cannot {attempted} `{}`: {source}", path.display())]
    Io {
        /// The operation, for example `read`.
        attempted: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A file or folder does not exist.
    #[error("cannot find `{}`", path.display())]
    NotFound {
        /// The file or folder.
        path: PathBuf,
        /// The step that creates or replaces the file.
        hint: String,
    },
    /// A file is invalid, or does not belong to the release.
    #[error("invalid release folder: `{}` {problem}", path.display())]
    Artifact {
        /// The path of the file.
        path: PathBuf,
        /// The problem, as the rest of a sentence that begins with the path.
        problem: &'static str,
        /// The step that creates or replaces the file.
        hint: String,
    },
}

impl Error {
    /// Returns a closure for `map_err` on a call of the file system.
    pub(crate) fn io(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { attempted, path, source }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        match error {
            Error::App(error) => error.into(),
            Error::Io { attempted, path, source } => {
                let code = match attempted {
                    "find" | "list" | "read" => Code::FileRead,
                    _ => Code::FileWrite,
                };
                Self::new(code, format!("cannot {attempted} `{}`", path.display()), source.to_string())
            }
            Error::NotFound { path, hint } => {
                let what = format!("cannot read `{}`", path.display());
                Self::new(Code::FileNotFound, what, "the file does not exist").hint(hint)
            }
            Error::Artifact { path, problem, hint } => {
                let what = format!("invalid file `{}` in the release folder", path.display());
                Self::new(Code::ReleaseFolderInvalid, what, format!("the file {problem}")).hint(hint)
            }
        }
    }
}
