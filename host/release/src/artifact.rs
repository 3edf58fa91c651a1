//! An app with its compiled components, as the router uses it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidegate_app::App;

use crate::id::ReleaseId;
use crate::verify::VerifiedArtifact;

/// The compiled form of a component, for one target.
#[derive(Debug, Clone)]
pub enum Artifact {
    /// A `.cwasm` file that is trusted like the host's binary: it was compiled on this machine, or it is in the package
    /// of the host.
    File(PathBuf),
    /// The bytes of an artifact of a published release, with a verified signature.
    Verified(VerifiedArtifact),
}

/// An app with the artifact of each of its components.
#[derive(Debug, Clone)]
pub struct Release {
    /// The content address of the release.
    pub id: ReleaseId,
    /// The part of the app that the host serves: all of it, unless the host leaves out the routes or the authorizer.
    pub app: App,
    /// The whole app, as it was released. A component may serve a part of the app that the host leaves out.
    pub declared_app: App,
    /// The artifact of each component of `app`, by name.
    pub artifacts: BTreeMap<String, Artifact>,
}
