//! The errors of a host that does not start, or that refuses a release.

use std::fmt;

use tidegate_diagnostic::{Code, Diagnostic};

use crate::interface::Refusal;

/// The error of a host that does not start, or that refuses a release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wasmtime refused its configuration, or could not reserve its memory.
    #[error("cannot create the engine: {0}")]
    Engine(String),
    /// The thread that interrupts guests did not start.
    #[error("cannot start the ticker's thread")]
    Ticker(#[source] std::io::Error),
    /// The host's own interfaces do not link.
    #[error("cannot link the host's interfaces: {0}")]
    Linker(String),
    /// An artifact does not load.
    #[error("cannot load the artifact `{artifact}`: {reason}")]
    Artifact {
        /// The file, or the component's name.
        artifact: String,
        /// Wasmtime's error, or a note that the file is not an artifact.
        reason: String,
    },
    /// The release cannot be activated. The list contains every problem.
    #[error("{}", Lines(.0))]
    Refused(Vec<Refusal>),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(why) => Self::new(Code::EngineCreate, "cannot create the engine", why),
            Error::Ticker(source) => Self::caused_by(Code::TickerStart, "cannot start the ticker's thread", &source),
            Error::Linker(why) => Self::new(Code::HostInterfacesLink, "cannot link the host's interfaces", why),
            Error::Artifact { artifact, reason } => {
                Self::new(Code::ArtifactLoad, format!("cannot load the artifact `{artifact}`"), reason)
                    .hint("compile it again with this version of `tidegate`")
            }
            Error::Refused(refusals) => refused(&refusals),
        }
    }
}

/// Returns an error with each reason on a separate line. Its code is that of the first reason.
fn refused(refusals: &[Refusal]) -> Diagnostic {
    let code = refusals.first().map_or(Code::ComponentLink, |refusal| refusal.reason.code());
    let mut hints: Vec<_> = refusals.iter().filter_map(|refusal| refusal.reason.hint()).collect();
    hints.dedup();
    let diagnostic = Diagnostic::new(code, "the release is refused", Lines(refusals).to_string());
    if hints.is_empty() { diagnostic } else { diagnostic.hint(hints.join("; ")) }
}

struct Lines<'a>(&'a [Refusal]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{refusal}")?;
        }
        Ok(())
    }
}
