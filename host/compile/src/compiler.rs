//! From component to artifact.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::inspect::check_component;
use crate::{Error, Target};

/// A compiler for one target.
#[derive(Clone)]
pub struct Compiler {
    engine: wasmtime::Engine,
    target: Target,
}

impl Compiler {
    /// Makes a compiler for `target`.
    ///
    /// # Errors
    /// When Wasmtime refuses the configuration.
    pub fn new(target: Target) -> Result<Self, Error> {
        let refuse = |error: wasmtime::Error| refused(target, &error);
        let mut config = tidegate_runtime::engine::config();
        // Named even when it is this machine's own: otherwise the artifact would need this CPU's features.
        config.target(target.triple()).map_err(refuse)?;
        let engine = wasmtime::Engine::new(&config).map_err(refuse)?;
        Ok(Self { engine, target })
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// What artifacts of this compiler have in common: Wasmtime's version, its configuration and the target. Artifacts of
    /// another fingerprint do not load where those of this one do.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Compiles a component. A Rust component takes about 60 ms, one with QuickJS a second, one with CPython six.
    ///
    /// # Errors
    /// When the bytes are no component, or not a valid one.
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Error> {
        check_component(component)?;
        self.engine.precompile_component(component).map_err(|error| refused(self.target, &error))
    }
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("target", &self.target).finish_non_exhaustive()
    }
}

fn refused(target: Target, error: &wasmtime::Error) -> Error {
    Error::Compile { target: target.triple(), reason: format!("{error:#}") }
}
