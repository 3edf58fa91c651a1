//! From what was built to a published release: artifacts first and the signed release last, so that one which was broken
//! off is none.
//!
//! Everything that is stored is named by its content and put only where nothing is. Publishing the same again, or twice at
//! once, is one publication.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidegate_ports::Deadline;

use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::keys::SigningKey;
use crate::manifest::{ArtifactRecord, Component, FORMAT, Provenance, ReleaseManifest};
use crate::store::{ReleaseWriter, StoreError, Stored};
use tidegate_app::App;

/// How many artifacts are stored at a time.
const CONCURRENCY: usize = 8;
/// How long one artifact may take: some megabytes over a slow line.
const ARTIFACT_TIMEOUT: Duration = Duration::from_secs(120);
/// How long any other call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a release is made of.
#[derive(Debug, Clone)]
pub struct BuiltRelease {
    /// The app.
    pub app: App,
    /// Each component of the app, by name.
    pub components: BTreeMap<String, BuiltComponent>,
    /// The engine that the artifacts are for.
    pub engine: String,
    /// The version of the WIT package that the components were checked against.
    pub wit: String,
    /// The CPU that artifacts need at least, by target.
    pub targets: BTreeMap<String, String>,
    /// When it was made, and from what.
    pub provenance: Provenance,
}

/// A component, compiled for each target.
#[derive(Debug, Clone)]
pub struct BuiltComponent {
    /// The digest of the `.wasm` file.
    pub digest: Digest,
    /// The artifact for each target.
    pub artifacts: BTreeMap<String, Vec<u8>>,
}

/// A release that is in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: ReleaseId,
    /// It, as it is stored: when it was there already, as it was signed then.
    pub envelope: Envelope,
    /// Whether it was stored now.
    pub new: bool,
}

/// Why a release is not published, or not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No host would read it.
    #[error("no host would take the release: {0}")]
    Refused(VerifyError),
    /// What is stored under its id cannot be read.
    #[error("what is stored as the release `{id}` cannot be read, and is not replaced: {problem}")]
    Unreadable {
        /// The release.
        id: ReleaseId,
        /// What is wrong with what is stored.
        problem: VerifyError,
    },
    /// Another release is stored under its id.
    #[error(
        "the release `{id}` is published already with {what}; hint: create it with the version of `tidegate` that did, \
         `tidegate release show {id}` names it"
    )]
    Different {
        /// The release.
        id: ReleaseId,
        /// What differs.
        what: String,
    },
    /// Some of what it is made of is not in the store.
    #[error(
        "the release `{id}` is not complete: {missing} of its {all} artifacts are not in the store, among them that of \
         the component `{component}` for `{target}`; hint: `tidegate release create`, from the same sources, stores what \
         is missing"
    )]
    Incomplete {
        /// The release.
        id: ReleaseId,
        /// How many artifacts are missing.
        missing: usize,
        /// How many it has.
        all: usize,
        /// A component of which one is missing.
        component: String,
        /// The target for which it is missing.
        target: String,
    },
}

impl BuiltRelease {
    /// What the release says of itself.
    #[must_use]
    pub fn document(&self) -> ReleaseManifest {
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

/// Signs a release and publishes it. One that is published already is left as it was signed, and what is missing of its
/// artifacts is stored.
///
/// # Errors
/// When no host would read it, another release has its id, or the store fails. Nothing of it can be activated then.
pub async fn publish(
    store: &(impl ReleaseWriter + ?Sized),
    content: &BuiltRelease,
    keys: &[SigningKey],
) -> Result<Published, PublishError> {
    let document = content.document();
    let id = document.id();
    let envelope = Envelope::sign(&document, keys);
    // As hosts will read it: its size and that it is coherent are checked there.
    let json = envelope.to_json();
    Envelope::parse(&json).and_then(|envelope| envelope.unverified()).map_err(PublishError::Refused)?;

    // Before anything is stored that would be for nothing.
    let stored = match store.envelope(&id, Deadline::after(CALL_TIMEOUT)).await {
        Ok(stored) => Some(same(&id, &document, &stored)?),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let were_there = put(store, content.artifacts()).await?;
    if let Some(envelope) = stored {
        return Ok(Published { id, envelope, new: false });
    }
    if let Stored::Already(stored) = store.put_envelope(&id, &json, Deadline::after(CALL_TIMEOUT)).await? {
        let envelope = same(&id, &document, &stored)?;
        return Ok(Published { id, envelope, new: false });
    }
    // No release may have needed them until now, and a prune may have removed them before it saw this one.
    put(store, were_there).await?;
    Ok(Published { id, envelope, new: true })
}

/// Holds that every artifact of a release, for every target, is in the store.
///
/// # Errors
/// [`PublishError::Incomplete`] when one is not, or when the store fails.
pub async fn verify_complete(
    store: &(impl ReleaseWriter + ?Sized),
    document: &ReleaseManifest,
) -> Result<(), PublishError> {
    let there = store.list_artifacts(Deadline::after(CALL_TIMEOUT)).await?;
    let artifacts = document.components.iter().flat_map(|(component, it)| {
        it.artifacts.iter().map(move |(target, artifact)| (component, target, artifact.digest))
    });
    let missing: Vec<_> = artifacts.clone().filter(|(.., digest)| !there.contains_key(digest)).collect();
    match missing.first() {
        None => Ok(()),
        Some((component, target, _)) => Err(PublishError::Incomplete {
            id: document.id(),
            missing: missing.len(),
            all: artifacts.count(),
            component: (*component).clone(),
            target: (*target).clone(),
        }),
    }
}

/// Stores artifacts, and answers those that were there.
async fn put<'a>(
    store: &(impl ReleaseWriter + ?Sized),
    artifacts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<&'a [u8]>, StoreError> {
    let put = |bytes| async move {
        let stored = store.put_artifact(bytes, Deadline::after(ARTIFACT_TIMEOUT)).await?;
        Ok::<_, StoreError>((!stored).then_some(bytes))
    };
    // Made before they are polled: a stream of closures that borrow would not be `Send`.
    let puts: Vec<_> = artifacts.into_iter().map(put).collect();
    let were_there: Vec<Option<&[u8]>> = stream::iter(puts).buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(were_there.into_iter().flatten().collect())
}

/// What is stored under the id of `document`, if it is the same but for when and from what it was made, and who signed it.
fn same(id: &ReleaseId, document: &ReleaseManifest, stored: &[u8]) -> Result<Envelope, PublishError> {
    let unreadable = |problem| PublishError::Unreadable { id: id.clone(), problem };
    let envelope = Envelope::parse(stored).map_err(unreadable)?;
    let stored = envelope.unverified().map_err(unreadable)?;
    if stored.id() != *id {
        return Err(unreadable(VerifyError::OtherRelease { wanted: id.clone(), found: stored.id() }));
    }
    match difference(document, &stored) {
        Some(what) => Err(PublishError::Different { id: id.clone(), what }),
        None => Ok(envelope),
    }
}

/// What of two releases of one id differs, other than their provenance.
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
