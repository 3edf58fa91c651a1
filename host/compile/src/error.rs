//! Errors of reading and compiling components.

use tidegate_diagnostic::{Code, Diagnostic};

use crate::Proposal;

/// A component that cannot be read or compiled, or a target that does not exist.
///
/// `Display` shows the text without the hint. The conversion into a [`Diagnostic`] adds the code and the hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a component.
    #[error("not a WebAssembly component: {found}")]
    NotAComponent {
        /// A description of the content, for example `the file is empty`.
        found: &'static str,
    },
    /// The file begins like a component but is incomplete or damaged.
    #[error("not a valid component: {0}")]
    Malformed(String),
    /// The component uses WebAssembly proposals that hosts do not enable.
    #[error("the component uses {}, which hosts do not run", names(proposals))]
    Unsupported {
        /// The proposals, the most important one first.
        proposals: Vec<&'static Proposal>,
    },
    /// Wasmtime cannot compile the component.
    #[error("cannot compile for `{triple}`: {reason}")]
    Compile {
        /// The triple of the target.
        triple: &'static str,
        /// Wasmtime's error.
        reason: String,
    },
    /// Artifacts are not compiled for this target.
    #[error("unknown target `{0}`")]
    UnknownTriple(String),
    /// Artifacts do not run on this machine.
    #[error("artifacts do not run on this machine: its architecture is `{0}`")]
    UnsupportedHost(&'static str),
}

impl Error {
    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotAComponent { .. } => Code::NotAComponent,
            Self::Malformed(_) => Code::ComponentInvalid,
            Self::Compile { .. } | Self::Unsupported { .. } => Code::ComponentCompileFailed,
            Self::UnknownTriple(_) => Code::TripleUnknown,
            Self::UnsupportedHost(_) => Code::MachineUnsupported,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        let code = error.code();
        match error {
            Error::NotAComponent { found } => Self::new(code, "not a WebAssembly component", found)
                .hint("build for `wasm32-wasip2`, which writes components"),
            Error::Malformed(reason) => {
                Self::new(code, "not a valid component", reason).hint("build the component again")
            }
            Error::Unsupported { proposals } => {
                let why = format!("it uses {}, which hosts do not run", names(&proposals));
                let hint = proposals.first().map_or("", |proposal| proposal.hint);
                Self::new(code, "cannot compile the component", why).hint(hint)
            }
            Error::Compile { triple, reason } => Self::new(code, format!("cannot compile for `{triple}`"), reason),
            Error::UnknownTriple(triple) => {
                Self::new(code, format!("unknown target `{triple}`"), "artifacts are not compiled for it")
                    .hint("use `x86_64-unknown-linux-gnu` or `aarch64-unknown-linux-gnu`")
            }
            Error::UnsupportedHost(architecture) => {
                Self::new(code, "artifacts do not run on this machine", format!("its architecture is `{architecture}`"))
                    .hint("use Linux on x86-64 or arm64")
            }
        }
    }
}

fn names(proposals: &[&Proposal]) -> String {
    proposals.iter().map(|proposal| proposal.name).collect::<Vec<_>>().join(" and ")
}
