//! Why a host does not start, or refuses a release.

use std::fmt;

use crate::interface::Incompatibility;

/// Why a host does not start, or refuses a release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wasmtime refused its configuration, or could not reserve its memory.
    #[error("cannot make the engine: {0}")]
    Engine(String),
    /// The thread that interrupts guests did not start.
    #[error("cannot start the ticker's thread")]
    Ticker(#[source] std::io::Error),
    /// The host's own interfaces do not link.
    #[error("cannot link the host's interfaces: {0}")]
    Linker(String),
    /// An artifact does not load.
    #[error("cannot load the artifact `{artifact}`: {reason}; hint: compile it anew with this version of `tidegate`")]
    Artifact {
        /// The file, or the component's name.
        artifact: String,
        /// What Wasmtime says, or that the file is none of its artifacts.
        reason: String,
    },
    /// A release that cannot be activated, with everything that is wrong with it.
    #[error("{}", Lines(.0))]
    Refused(Vec<Refusal>),
}

/// What is wrong with one use of a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: component `{component}` {problem}")]
pub struct Refusal {
    /// The table of the manifest: `routes.chat`, `authorizer`.
    pub place: String,
    /// The component's name.
    pub component: String,
    /// What is wrong.
    pub problem: Incompatibility,
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
