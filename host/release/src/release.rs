//! An app with its artifacts, as the router uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::app::App;

/// The content address of a release: the first 16 hexadecimal digits of the SHA-256 over its app and its artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseId(pub(crate) String);

impl ReleaseId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
