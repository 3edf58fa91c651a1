//! A cache of compiled components by content, so that a build compiles only the components that changed.
//!
//! The cache is in the user's cache folder, and all apps share it. `tidegate dev` runs the machine code of an entry, so
//! each is authenticated with a key that only the user can read. This protects against files that were committed to
//! an app, or that another user has put there. It does not protect against a program of the same user, which can read
//! the key. Nothing that is signed or packaged comes from the cache.
//!
//! The cache is optional: if it cannot be used, the reason is logged, and components are compiled.
//!
//! - `folder`: the folder, its key and its entries

mod folder;

use std::ffi::OsString;

use sha2::{Digest as _, Sha256};
use tidegate_compile::Compiler;

use crate::build::cache::folder::Folder;
use crate::ui::error::Result;
use crate::ui::progress::Progress;

/// A compiler with a cache of its artifacts.
pub(crate) struct Cache {
    /// `None` if the cache cannot be used, or must not be used.
    folder: Option<Folder>,
    compiler: Compiler,
}

impl Cache {
    /// Opens the cache of this user, and removes old entries.
    pub(crate) fn open(compiler: Compiler) -> Self {
        let folder = Folder::open().inspect_err(|error| {
            tracing::warn!(
                code = %error.code,
                hint = error.hint.as_deref(),
                "components are compiled without a cache: {error}"
            );
        });
        let folder = folder.ok();
        if let Some(folder) = &folder {
            folder.prune();
        }
        Self { folder, compiler }
    }

    /// Returns a compiler without a cache.
    pub(crate) fn none(compiler: Compiler) -> Self {
        Self { folder: None, compiler }
    }

    /// Returns the artifact of a component. Compiles the component if the cache has no authentic artifact.
    ///
    /// # Errors
    /// The component does not compile.
    pub(crate) fn artifact(&self, name: &str, component: &[u8]) -> Result<Vec<u8>> {
        let Some(folder) = &self.folder else { return self.compile(name, component) };
        let entry = self.entry(component);
        match folder.read(&entry) {
            Ok(Some(artifact)) => return Ok(artifact),
            Ok(None) => {}
            Err(problem) => tracing::warn!("the component `{name}` is compiled again: {problem}"),
        }
        let artifact = self.compile(name, component)?;
        if let Err(error) = folder.write(&entry, &artifact) {
            tracing::warn!("the compiled component `{name}` is not cached: {error}");
        }
        Ok(artifact)
    }

    fn compile(&self, name: &str, component: &[u8]) -> Result<Vec<u8>> {
        let progress = Progress::start("compiling", name);
        let artifact = self.compiler.compile(component)?;
        progress.done();
        Ok(artifact)
    }

    /// Returns the name of the entry of a component: the digest of the component and of the compiler's configuration.
    fn entry(&self, component: &[u8]) -> OsString {
        let mut digest = Sha256::new();
        digest.update(self.compiler.fingerprint().to_le_bytes());
        digest.update(component);
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        hex.into()
    }
}
