//! An app with its artifacts, as the router uses it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidegate_app::App;

use crate::id::ReleaseId;
use crate::verify::VerifiedArtifact;

/// The compiled form of a component, for one target.
#[derive(Debug, Clone)]
pub enum Artifact {
    /// A `.cwasm` file that is trusted as the host's own binary is: it was compiled on this machine, or lies in the
    /// package beside the host.
    File(PathBuf),
    /// Bytes of a published release whose signature was verified.
    Verified(VerifiedArtifact),
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
