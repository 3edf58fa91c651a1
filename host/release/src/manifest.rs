//! The manifest of a published release: the text that is signed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_event::Timestamp;

use crate::digest::Digest;
use crate::id::ReleaseId;
use tidegate_app::App;

/// The version of the format. A host refuses an unknown version.
pub const FORMAT: u32 = 1;

/// The manifest of a published release: its app, its components and artifacts, and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReleaseManifest {
    /// The version of the format; see [`FORMAT`].
    pub format: u32,
    /// The app: its routes with their grants and limits.
    pub app: App,
    /// The components of the app, by name.
    pub components: BTreeMap<String, Component>,
    /// The engine of the artifacts: the version and the configuration of Wasmtime.
    pub engine: String,
    /// The version of the WIT package that the components were validated against.
    pub wit: String,
    /// The minimum CPU of the artifacts by target, for example `x86-64-v3` for `x86_64-unknown-linux-gnu`.
    pub targets: BTreeMap<String, String>,
    /// The origin of the release.
    pub provenance: Provenance,
}

/// A component of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// The digest of the `.wasm` file.
    pub digest: Digest,
    /// The artifacts, by target of the release.
    pub artifacts: BTreeMap<String, ArtifactRecord>,
}

/// A stored artifact of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ArtifactRecord {
    /// The digest of the bytes, which is the key of the artifact in the store.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// The origin of a release. It is not part of the id: the same sources have the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provenance {
    /// The time of creation, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// The revision of the sources, for example a git commit. It ends in `-dirty` if there were uncommitted changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The version of the `tidegate` command that created the release.
    pub tidegate: String,
}

impl ReleaseManifest {
    /// Computes the id of the release.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        let components = self.components.iter().map(|(name, component)| (name.as_str(), component.digest));
        ReleaseId::of(&self.app, components, &self.engine)
    }

    /// Returns the JSON text that is signed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Serialization cannot fail: every key is text and every value has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Returns the digests of the artifacts for all targets.
    #[must_use]
    pub fn artifacts(&self) -> BTreeSet<Digest> {
        let artifacts = self.components.values().flat_map(|component| component.artifacts.values());
        artifacts.map(|artifact| artifact.digest).collect()
    }
}
