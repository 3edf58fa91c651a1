//! An app with its artifacts, as the router uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::Error;

/// The content address of a release: the first 16 hexadecimal digits of the SHA-256 over its app and its artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseId(pub(crate) String);

impl ReleaseId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of an app, whose text is `json`, with artifacts of these digests, in the order of their names.
    pub(crate) fn of(json: &[u8], digests: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(json);
        for digest in digests {
            hash.update(digest);
        }
        // Eight bytes tell the releases of one app apart, and fit in a line of a log.
        Self(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The id that this is the text of.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 16 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The compiled form of a component, for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Artifact {
    /// A `.cwasm` file that is trusted as the host's own binary is: it was compiled on this machine, or lies in the
    /// package beside the host.
    File(PathBuf),
}

/// An app with the artifact of each of its components.
#[derive(Debug, Clone)]
pub struct Release {
    /// The content address.
    pub id: ReleaseId,
    /// The app.
    pub app: App,
    /// The artifact of each component, by name.
    pub artifacts: BTreeMap<String, Artifact>,
}

impl Release {
    /// A release of `app`; the artifacts are read to make its id.
    ///
    /// # Errors
    /// When an artifact cannot be read.
    pub fn new(app: App, artifacts: BTreeMap<String, Artifact>) -> Result<Self, Error> {
        let digests = artifacts.values().map(|Artifact::File(path)| digest(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { id: ReleaseId::of(app.to_json().as_bytes(), digests), app, artifacts })
    }
}

fn digest(path: &Path) -> Result<[u8; 32], Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        let length = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if length == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(buffer.get(..length).unwrap_or_default());
    }
}
