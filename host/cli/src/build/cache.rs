//! A cache of compiled components by content, so that a build compiles only the components that changed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tidegate_compile::Compiler;
use tidegate_diagnostic::{Code, Diagnose as _, Diagnostic};
use tidegate_release::folder::ARTIFACT_EXTENSION;

use crate::ui::error::Result;
use crate::ui::progress::Progress;

/// A folder of artifacts. The name of a file is the digest of the component and of the compiler's configuration.
pub(crate) struct Cache {
    dir: PathBuf,
    compiler: Compiler,
    used: RefCell<BTreeSet<OsString>>,
}

impl Cache {
    /// Opens the cache in `dir`, and creates the folder.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub(crate) fn open(dir: PathBuf, compiler: Compiler) -> Result<Self> {
        fs::create_dir_all(&dir)
            .diagnose(Code::FileCreate, || format!("cannot create the cache `{}`", dir.display()))?;
        Ok(Self { dir, compiler, used: RefCell::default() })
    }

    /// Returns the artifact of a component. Compiles the component if its artifact is not in the cache.
    ///
    /// # Errors
    /// The component does not compile, or the cache cannot be read or written.
    pub(crate) fn artifact(&self, name: &str, component: &[u8]) -> Result<Vec<u8>> {
        let file = self.file_name(component);
        let path = self.dir.join(&file);
        self.used.borrow_mut().insert(file);
        match fs::read(&path) {
            Ok(artifact) => return Ok(artifact),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let what = format!("cannot read the cached artifact `{}`", path.display());
                return Err(Diagnostic::caused_by(Code::FileRead, what, &error));
            }
        }
        let progress = Progress::start("compiling", name);
        let artifact = self.compiler.compile(component)?;
        progress.done();
        self.write(&path, &artifact)
            .diagnose(Code::FileWrite, || format!("cannot write the cached artifact `{}`", path.display()))?;
        Ok(artifact)
    }

    /// Removes the artifacts that this build did not use.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub(crate) fn prune(&self) -> Result<()> {
        let what = || format!("cannot list the cache `{}`", self.dir.display());
        for entry in fs::read_dir(&self.dir).diagnose(Code::FileRead, what)? {
            let entry = entry.diagnose(Code::FileRead, what)?;
            let is_artifact = entry.path().extension().is_some_and(|extension| extension == ARTIFACT_EXTENSION);
            if is_artifact && !self.used.borrow().contains(&entry.file_name()) {
                // Another build may have removed the file, and a leftover file does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Writes a file atomically, because another build may read it.
    fn write(&self, path: &Path, artifact: &[u8]) -> io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(&self.dir)?;
        temporary.write_all(artifact)?;
        temporary.persist(path)?;
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
