//! The compilation of a component into an artifact.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::inspect::check_component;
use crate::{Error, Triple, proposals};

/// A compiler for one target.
#[derive(Clone)]
pub struct Compiler {
    engine: wasmtime::Engine,
    triple: Triple,
}

impl Compiler {
    /// Creates a compiler for `triple`.
    ///
    /// # Errors
    /// [`Error::Compile`] if Wasmtime rejects the configuration.
    pub fn new(triple: Triple) -> Result<Self, Error> {
        let compile_error = |error: wasmtime::Error| compile_error(triple, &error);
        let mut config = tidegate_runtime::engine::config();
        // The target is set even if it is the target of this machine. Otherwise the artifact would require the features
        // of this machine's CPU.
        config.target(triple.as_str()).map_err(compile_error)?;
        let engine = wasmtime::Engine::new(&config).map_err(compile_error)?;
        Ok(Self { engine, triple })
    }

    /// Returns the target.
    #[must_use]
    pub fn triple(&self) -> Triple {
        self.triple
    }

    /// Returns a hash of Wasmtime's version, its configuration and the target. A host loads an artifact only if the
    /// artifact's fingerprint equals its own.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Compiles a component. A Rust component takes about 60 ms, a component with QuickJS one second, and one with
    /// CPython six.
    ///
    /// # Errors
    /// - [`Error::NotAComponent`] if the bytes are not a component
    /// - [`Error::Unsupported`] if the component uses a proposal that hosts do not enable
    /// - [`Error::Compile`] if the component is not valid
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Error> {
        check_component(component)?;
        self.engine.precompile_component(component).map_err(|error| match proposals::used(component) {
            none if none.is_empty() => compile_error(self.triple, &error),
            proposals => Error::Unsupported { proposals },
        })
    }
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("triple", &self.triple).finish_non_exhaustive()
    }
}

fn compile_error(triple: Triple, error: &wasmtime::Error) -> Error {
    Error::Compile { triple: triple.as_str(), reason: format!("{error:#}") }
}
