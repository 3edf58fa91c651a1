//! Errors of reading a manifest or an app.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tidegate_diagnostic::{Code, Diagnostic};

/// A manifest or an `app.json` that cannot be used.
///
/// `Display` is the text without the hint. The conversion into a [`Diagnostic`] adds the code and the hint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the manifest `{}`: {source}", path.display())]
    Io {
        /// The path of the manifest.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The manifest does not exist.
    #[error("cannot read the manifest `{}`: no such file", path.display())]
    NotFound {
        /// The path of the manifest.
        path: PathBuf,
    },
    /// The text is not TOML or not JSON.
    #[error("cannot read `{}:{line}`: {problem}", file.display())]
    Syntax {
        /// The manifest or the `app.json`.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The error of the parser.
        problem: String,
    },
    /// A key is missing, unknown, or has a value that is not allowed.
    #[error("invalid `{key}` in `{}{}`: {problem}", file.display(), Line(*line))]
    Key {
        /// The manifest or the `app.json`.
        file: PathBuf,
        /// The line, from 1, if it is known.
        line: Option<usize>,
        /// The key as TOML writes it, for example `routes.chat.grants.storage.rooms`.
        key: String,
        /// The rule that the key breaks.
        code: Code,
        /// The cause, for example `unknown key`.
        problem: String,
        /// The remedy, if one is known.
        hint: Option<String>,
    },
}

impl Error {
    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Io { .. } => Code::FileRead,
            Self::NotFound { .. } => Code::ManifestNotFound,
            Self::Syntax { .. } => Code::ManifestSyntax,
            Self::Key { code, .. } => *code,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let code = error.code();
        match error {
            Error::Io { path, source } => Self::caused_by(code, cannot_read_the_manifest(&path), &source),
            Error::NotFound { path } => Self::new(code, cannot_read_the_manifest(&path), "no such file")
                .hint("pass a manifest, or the folder of an app, which contains `tidegate.toml`"),
            Error::Syntax { file, line, problem } => {
                Self::new(code, format!("cannot read `{}:{line}`", file.display()), problem)
            }
            Error::Key { file, line, key, problem, hint, .. } => {
                let what = format!("invalid `{key}` in `{}{}`", file.display(), Line(line));
                Self { hint, ..Self::new(code, what, problem) }
            }
        }
    }
}

fn cannot_read_the_manifest(path: &Path) -> String {
    format!("cannot read the manifest `{}`", path.display())
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}
