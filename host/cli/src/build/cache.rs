//! Compiled components by content, so that a build compiles only what changed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use tidegate_compile::Compiler;
use tidegate_release::folder::ARTIFACT_EXTENSION;

use crate::ui::progress::Progress;

/// A folder of artifacts, named by the digest of the component and of the compiler's configuration.
pub(crate) struct Cache {
    dir: PathBuf,
    compiler: Compiler,
    used: RefCell<BTreeSet<OsString>>,
}

impl Cache {
    /// The cache in `dir`, which is created.
    ///
    /// # Errors
    /// When it cannot be created.
    pub(crate) fn open(dir: PathBuf, compiler: Compiler) -> Result<Self> {
        fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
        Ok(Self { dir, compiler, used: RefCell::default() })
    }

    /// The artifact of a component, compiled unless an earlier build did.
    ///
    /// # Errors
    /// When it does not compile, or the cache cannot be written.
    pub(crate) fn artifact(&self, name: &str, component: &[u8]) -> Result<Vec<u8>> {
        let file = self.file_name(component);
        let path = self.dir.join(&file);
        self.used.borrow_mut().insert(file);
        match fs::read(&path) {
            Ok(artifact) => return Ok(artifact),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
        let progress = Progress::start("compiling", name);
        let artifact = self.compiler.compile(component)?;
        progress.done();
        let write = || {
            let mut temporary = tempfile::NamedTempFile::new_in(&self.dir)?;
            std::io::Write::write_all(&mut temporary, &artifact)?;
            temporary.persist(&path).map_err(|error| error.error).map(drop)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(artifact)
    }

    /// Removes the artifacts that this build did not use.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(crate) fn prune(&self) -> Result<()> {
        let list = || format!("cannot list `{}`", self.dir.display());
        for entry in fs::read_dir(&self.dir).with_context(list)? {
            let entry = entry.with_context(list)?;
            let artifact = entry.path().extension().is_some_and(|extension| extension == ARTIFACT_EXTENSION);
            if artifact && !self.used.borrow().contains(&entry.file_name()) {
                // Another build may have been quicker, and a file that stays does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn file_name(&self, component: &[u8]) -> OsString {
        let mut digest = Sha256::new();
        digest.update(self.compiler.fingerprint().to_le_bytes());
        digest.update(component);
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}.{ARTIFACT_EXTENSION}").into()
    }
}
