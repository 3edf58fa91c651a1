//! Compiles components ahead of time: a component (`.wasm`) becomes an artifact (`.cwasm`) for one target.
//!
//! This is the only crate with a compiler. It uses the engine configuration of `runtime`, so hosts can load its
//! artifacts.
//!
//! - [`triple`]: the targets of artifacts
//! - [`compiler`]: the compilation of a component
//! - [`proposals`]: the WebAssembly proposals that hosts do not enable
//! - [`mod@inspect`]: the imports and exports of a component, read without compiling it

pub mod compiler;
mod error;
pub mod inspect;
pub mod proposals;
pub mod triple;

pub use compiler::Compiler;
pub use error::Error;
pub use inspect::inspect;
pub use proposals::Proposal;
pub use triple::Triple;
