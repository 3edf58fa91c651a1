//! Why a component is not compiled.

/// Why a component is not compiled, or not even read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is empty, text, or anything else.
    #[error("not a WebAssembly component: {found}; hint: build for `wasm32-wasip2`, which makes components")]
    NotAComponent {
        /// What it seems to be.
        found: &'static str,
    },
    /// It begins like a component, but is cut off or damaged.
    #[error("not a valid component: {0}")]
    Malformed(String),
    /// The compiler refused it.
    #[error("cannot compile for `{target}`: {reason}")]
    Compile {
        /// The target's triple.
        target: &'static str,
        /// What Wasmtime says.
        reason: String,
    },
    /// A target that artifacts are not compiled for.
    #[error("unknown target `{0}`; hint: one of `x86_64-unknown-linux-gnu`, `aarch64-unknown-linux-gnu`")]
    UnknownTarget(String),
    /// The machine that this runs on is no target itself.
    #[error("no artifact runs on this machine: its architecture is `{0}`")]
    UnsupportedHost(&'static str),
}
