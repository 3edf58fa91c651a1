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
    /// The part of the app that the host serves: all of it, unless the host leaves out the routes or the authorizer.
    pub app: App,
    /// The whole app, as it was released. A component may serve a part of the app that the host leaves out.
    pub declared_app: App,
    /// The artifact of each component of `app`, by name.
    pub artifacts: BTreeMap<String, Artifact>,
}
