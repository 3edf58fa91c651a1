//! Publishes a release from build outputs. Artifacts are uploaded first and the signed release last, so an interrupted
//! publish leaves nothing visible.
//!
//! Stored objects are named by their content and never replaced. Publishing the same release again, or twice at the
//! same time, has the effect of publishing it once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::keys::SigningKey;
use crate::manifest::{ArtifactRecord, Component, FORMAT, Provenance, ReleaseManifest};
use crate::store::{ReleaseWriter, StoreError, Stored};
use tidegate_app::App;

/// The number of artifacts that are uploaded at the same time.
const CONCURRENCY: usize = 8;
/// The time limit for one artifact: some megabytes over a slow connection.
const ARTIFACT_TIMEOUT: Duration = Duration::from_secs(120);
/// The time limit for any other call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The build outputs that a release is created from.
#[derive(Debug, Clone)]
pub struct BuiltRelease {
    /// The app of the release.
    pub app: App,
    /// The components of the app, by name.
    pub components: BTreeMap<String, BuiltComponent>,
    /// The engine of the artifacts: the version and the configuration of Wasmtime.
    pub engine: String,
    /// The version of the WIT package that the components were validated against.
    pub wit: String,
    /// The minimum CPU of the artifacts, by target.
    pub targets: BTreeMap<String, String>,
    /// The origin of the release.
    pub provenance: Provenance,
}

/// A component with its artifacts.
#[derive(Debug, Clone)]
pub struct BuiltComponent {
    /// The digest of the `.wasm` file.
    pub digest: Digest,
    /// The bytes of the artifacts, by target.
    pub artifacts: BTreeMap<String, Vec<u8>>,
}

/// A published release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The id of the release.
    pub id: ReleaseId,
    /// The stored envelope. If the release was published before, the envelope has the earlier signatures.
    pub envelope: Envelope,
    /// True if this call published the release, or false if it was published before.
    pub new: bool,
}

/// A release that is not published, or not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The release is not valid, so no host would load it.
    #[error(transparent)]
    Refused(VerifyError),
    /// The stored release with this id cannot be read. It is not replaced.
    #[error("the store has a release `{id}` that cannot be read: {problem}")]
    Unreadable {
        /// The id of the release.
        id: ReleaseId,
        /// The problem of the stored bytes.
        problem: VerifyError,
    },
    /// Another release with this id is stored.
    #[error("the release `{id}` is published already with {what}")]
    Different {
        /// The id of the release.
        id: ReleaseId,
        /// The difference, for example `artifacts for other targets or CPUs`.
        what: String,
    },
    /// Artifacts of the release are not in the store.
    #[error(
        "the release `{id}` is incomplete: {missing} of its {all} artifacts are not in the store, for example that of \
         the component `{component}` for `{target}`"
    )]
    Incomplete {
        /// The id of the release.
        id: ReleaseId,
        /// The number of missing artifacts.
        missing: usize,
        /// The number of artifacts.
        all: usize,
        /// The component of the first missing artifact.
        component: String,
        /// The target of the first missing artifact.
        target: String,
    },
}

impl From<PublishError> for Diagnostic {
    fn from(error: PublishError) -> Self {
        let why = error.to_string();
        match error {
            PublishError::Store(error) => error.into(),
            PublishError::Refused(problem) => Self::new(problem.code(), "cannot publish the release", why),
            PublishError::Unreadable { id, problem } => {
                Self::new(problem.code(), format!("cannot publish the release `{id}`"), why)
                    .hint("remove the stored release if it is not needed, and publish again")
            }
            PublishError::Different { id, .. } => {
                let hint = format!("use the version of `tidegate` that `tidegate release show {id}` names");
                Self::new(Code::ReleaseDifferent, format!("cannot publish the release `{id}`"), why).hint(hint)
            }
            PublishError::Incomplete { id, .. } => {
                Self::new(Code::ReleaseIncomplete, format!("cannot use the release `{id}`"), why)
                    .hint("run `tidegate release create` on the same sources, which stores the missing artifacts")
            }
        }
    }
}

impl BuiltRelease {
    /// Returns the manifest of the release.
    #[must_use]
    pub fn manifest(&self) -> ReleaseManifest {
        let record = |bytes: &Vec<u8>| ArtifactRecord {
            digest: Digest::of(bytes),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        let components = self.components.iter().map(|(name, BuiltComponent { digest, artifacts })| {
            let artifacts = artifacts.iter().map(|(target, bytes)| (target.clone(), record(bytes))).collect();
            (name.clone(), Component { digest: *digest, artifacts })
        });
        ReleaseManifest {
            format: FORMAT,
            app: self.app.clone(),
            components: components.collect(),
            engine: self.engine.clone(),
            wit: self.wit.clone(),
            targets: self.targets.clone(),
            provenance: self.provenance.clone(),
        }
    }

    fn artifacts(&self) -> impl Iterator<Item = &[u8]> {
        self.components.values().flat_map(|component| component.artifacts.values()).map(Vec::as_slice)
    }
}

/// Signs and publishes a release. If it is published already, its signatures are kept, and missing artifacts are
/// uploaded.
///
/// # Errors
/// If the release is not valid, another release has its id, or the store fails. In that case the release cannot be
/// activated.
pub async fn publish(
    store: &(impl ReleaseWriter + ?Sized),
    release: &BuiltRelease,
    keys: &[SigningKey],
) -> Result<Published, PublishError> {
    let manifest = release.manifest();
    let id = manifest.id();
    let envelope = Envelope::sign(&manifest, keys);
    // Parsing validates the release as hosts do.
    let json = envelope.to_json();
    Envelope::parse(&json).and_then(|envelope| envelope.unverified()).map_err(PublishError::Refused)?;

    // A conflict with another release is found before anything is uploaded.
    let stored = match store.envelope(&id, Deadline::after(CALL_TIMEOUT)).await {
        Ok(stored) => Some(check_same(&id, &manifest, &stored)?),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let existing = put(store, release.artifacts()).await?;
    if let Some(envelope) = stored {
        return Ok(Published { id, envelope, new: false });
    }
    if let Stored::Already(stored) = store.put_envelope(&id, &json, Deadline::after(CALL_TIMEOUT)).await? {
        let envelope = check_same(&id, &manifest, &stored)?;
        return Ok(Published { id, envelope, new: false });
    }
    // A concurrent prune may have removed existing artifacts before it saw this release.
    put(store, existing).await?;
    Ok(Published { id, envelope, new: true })
}

/// Checks that the artifacts of a release for every target are in the store.
///
/// # Errors
/// [`PublishError::Incomplete`] if an artifact is missing, [`PublishError::Store`] if the store fails.
pub async fn verify_complete(
    store: &(impl ReleaseWriter + ?Sized),
    manifest: &ReleaseManifest,
) -> Result<(), PublishError> {
    let stored = store.list_artifacts(Deadline::after(CALL_TIMEOUT)).await?;
    let artifacts = manifest.components.iter().flat_map(|(name, component)| {
        component.artifacts.iter().map(move |(target, artifact)| (name, target, artifact.digest))
    });
    let missing: Vec<_> = artifacts.clone().filter(|(.., digest)| !stored.contains_key(digest)).collect();
    match missing.first() {
        None => Ok(()),
        Some((component, target, _)) => Err(PublishError::Incomplete {
            id: manifest.id(),
            missing: missing.len(),
            all: artifacts.count(),
            component: (*component).clone(),
            target: (*target).clone(),
        }),
    }
}

/// Stores artifacts. Returns those that were stored before.
async fn put<'a>(
    store: &(impl ReleaseWriter + ?Sized),
    artifacts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<&'a [u8]>, StoreError> {
    let put = |bytes| async move {
        let stored = store.put_artifact(bytes, Deadline::after(ARTIFACT_TIMEOUT)).await?;
        Ok::<_, StoreError>((!stored).then_some(bytes))
    };
    // The futures are collected first: a stream of closures that borrow would not be `Send`.
    let puts: Vec<_> = artifacts.into_iter().map(put).collect();
    let existing: Vec<Option<&[u8]>> = stream::iter(puts).buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(existing.into_iter().flatten().collect())
}

/// Parses the stored release and checks that it differs from `manifest` only in its origin and its signatures.
fn check_same(id: &ReleaseId, manifest: &ReleaseManifest, stored: &[u8]) -> Result<Envelope, PublishError> {
    let unreadable = |problem| PublishError::Unreadable { id: id.clone(), problem };
    let envelope = Envelope::parse(stored).map_err(unreadable)?;
    let stored = envelope.unverified().map_err(unreadable)?;
    if stored.id() != *id {
        return Err(unreadable(VerifyError::OtherRelease { wanted: id.clone(), found: stored.id() }));
    }
    match difference(manifest, &stored) {
        Some(what) => Err(PublishError::Different { id: id.clone(), what }),
        None => Ok(envelope),
    }
}

/// Returns the first difference between two releases with the same id, except for their origin.
fn difference(new: &ReleaseManifest, stored: &ReleaseManifest) -> Option<String> {
    if new.wit != stored.wit {
        return Some(format!("version `{}` of the WIT package, not `{}`", stored.wit, new.wit));
    }
    if new.targets != stored.targets {
        return Some("artifacts for other targets or CPUs".to_owned());
    }
    let other = |(name, component): (&String, &Component)| {
        let same = stored.components.get(name).is_some_and(|stored| stored.artifacts == component.artifacts);
        (!same).then(|| format!("other artifacts of the component `{name}`"))
    };
    new.components.iter().find_map(other)
}

#[cfg(test)]
#[path = "publish/tests.rs"]
pub(crate) mod tests;
