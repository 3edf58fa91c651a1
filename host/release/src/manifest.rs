//! What a published release says of itself: the text that is signed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_event::Timestamp;

use crate::digest::Digest;
use crate::id::ReleaseId;
use tidegate_app::App;

/// The version of this form. A host refuses one that it does not know.
pub const FORMAT: u32 = 1;

/// A published release: what it is made of, what hosts load, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReleaseManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The app: routes with their grants and limits, and the names of configuration values in the grants.
    pub app: App,
    /// Each component of the app, by name.
    pub components: BTreeMap<String, Component>,
    /// The engine that the artifacts are for: Wasmtime's version and configuration.
    pub engine: String,
    /// The version of the WIT package that the components were checked against.
    pub wit: String,
    /// The CPU that artifacts need at least, by target: `x86_64-unknown-linux-gnu` and so on.
    pub targets: BTreeMap<String, String>,
    /// When it was made, and from what.
    pub provenance: Provenance,
}

/// A component of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// The digest of the `.wasm` file.
    pub digest: Digest,
    /// The artifact for each target of the release.
    pub artifacts: BTreeMap<String, ArtifactRecord>,
}

/// A compiled component, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ArtifactRecord {
    /// The digest of its bytes, by which it is stored.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

/// When a release was made, and from what. Not part of its id: the same sources make the same release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provenance {
    /// When, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// The revision of the sources, such as git's, ending in `-dirty` when they had changes besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The version of the `tidegate` that made it.
    pub tidegate: String,
}

impl ReleaseManifest {
    /// The content's address.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        let components = self.components.iter().map(|(name, component)| (name.as_str(), component.digest));
        ReleaseId::of(&self.app, components, &self.engine)
    }

    /// As the text that is signed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Every key is text and every value has a JSON form, so this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The digests of all artifacts, for whatever target.
    #[must_use]
    pub fn artifacts(&self) -> BTreeSet<Digest> {
        let artifacts = self.components.values().flat_map(|component| component.artifacts.values());
        artifacts.map(|artifact| artifact.digest).collect()
    }
}
