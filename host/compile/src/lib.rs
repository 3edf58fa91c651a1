//! Compiles components ahead of time: a component (`.wasm`) becomes an artifact (`.cwasm`) for a named target.
//!
//! This is the only crate with a compiler. Its engine configuration is `runtime`'s own function, so that what it makes is
//! what a host loads.
//!
//! - [`target`]: where an artifact runs
//! - [`compiler`]: from component to artifact
//! - [`inspect`]: what a component imports and exports, without compiling it

pub mod compiler;
mod error;
pub mod inspect;
pub mod target;

pub use compiler::Compiler;
pub use error::Error;
pub use inspect::inspect;
pub use target::Target;
