//! From a published release to one that a host runs: what was signed is verified over the very bytes that are loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidegate_ports::Deadline;

use crate::artifact::{Artifact, Release};
use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::keys::TrustedKeys;
use crate::manifest::{ArtifactRecord, ReleaseManifest};
use crate::store::{ReleaseReader, StoreError};
use tidegate_app::App;

/// How many artifacts are fetched at a time.
const CONCURRENCY: usize = 8;

/// The bytes of an artifact, whose digest is in a release that was verified: nobody else can make one.
#[derive(Clone)]
pub struct VerifiedArtifact(Arc<[u8]>);

impl VerifiedArtifact {
    /// The bytes that were verified.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for VerifiedArtifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifiedArtifact({} bytes)", self.0.len())
    }
}

/// What a host believes and runs.
#[derive(Debug, Clone)]
pub struct HostProfile {
    /// The keys that its stage trusts.
    pub keys: TrustedKeys,
    /// Its engine.
    pub engine: String,
    /// Its target, such as `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The CPU that it can count on.
    pub cpu: String,
    /// The version of its WIT package; releases of another patch of it run as well.
    pub wit: String,
    /// The app that it was deployed with: a release has its name and its routing.
    pub app: App,
}

/// Why a release is not loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store did not give a part of it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not believed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It was compiled for other hosts.
    #[error(
        "it is for {what} `{found}`, and this host is `{wanted}`; hint: create it anew with the version of `tidegate` that \
         was deployed, or deploy this one"
    )]
    Incompatible {
        /// What differs: the engine, the target, the CPU or the WIT package.
        what: &'static str,
        /// What the release is for.
        found: String,
        /// What the host is.
        wanted: String,
    },
    /// It is of another app.
    #[error("it is a release of the app `{found}`, and this host runs `{wanted}`")]
    OtherApp {
        /// The release's app.
        found: String,
        /// The host's app.
        wanted: String,
    },
    /// It needs other infrastructure.
    #[error("its routing differs from what was deployed: {0}; hint: make deploy")]
    OtherRouting(String),
    /// The artifact that is stored is not the one that was signed.
    #[error(
        "the artifact of the component `{component}` was altered: its digest is `{found}`, and `{signed}` was signed"
    )]
    AlteredArtifact {
        /// The component.
        component: String,
        /// The digest in the release.
        signed: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
}

/// Reads a release from a store and verifies it: its signature, that a host of these `terms` runs it, and the digest of each
/// artifact of the components that `select` keeps.
///
/// # Errors
/// With the first thing that is wrong; then nothing of it is to be run.
pub async fn load(
    store: &(impl ReleaseReader + ?Sized),
    id: &ReleaseId,
    terms: &HostProfile,
    select: impl Fn(&mut App),
    deadline: Deadline,
) -> Result<Release, LoadError> {
    let envelope = Envelope::parse(&store.envelope(id, deadline).await?)?;
    let verified = envelope.verify(&terms.keys, id)?;
    let document = verified.document();
    compatible(document, terms)?;
    let mut app = document.app.clone();
    select(&mut app);
    let used = app.used();
    let records = document.components.iter().filter(|(name, _)| used.contains(name.as_str()));
    let fetches = records.map(|(name, component)| {
        let record = component.artifacts.get(&terms.target).copied();
        async move { fetch(store, name, record, terms, deadline).await.map(|artifact| (name.clone(), artifact)) }
    });
    // Made before they are polled: a stream of closures that borrow would not be `Send`.
    let fetches: Vec<_> = fetches.collect();
    let artifacts: BTreeMap<_, _> = stream::iter(fetches).buffer_unordered(CONCURRENCY).try_collect().await?;
    app.components = used;
    Ok(Release { id: id.clone(), app, declared_app: document.app.clone(), artifacts })
}

async fn fetch(
    store: &(impl ReleaseReader + ?Sized),
    component: &str,
    record: Option<ArtifactRecord>,
    terms: &HostProfile,
    deadline: Deadline,
) -> Result<Artifact, LoadError> {
    // Every component has an artifact for each target of its release, and this is one of them.
    let record = record.ok_or_else(|| incompatible("the target", "none", &terms.target))?;
    let bytes = store.artifact(&record.digest, deadline).await?;
    let found = Digest::of(&bytes);
    if found != record.digest {
        let component = component.to_owned();
        return Err(LoadError::AlteredArtifact { component, signed: record.digest, found });
    }
    Ok(Artifact::Verified(VerifiedArtifact(bytes.into())))
}

fn compatible(document: &ReleaseManifest, terms: &HostProfile) -> Result<(), LoadError> {
    if document.app.name != terms.app.name {
        return Err(LoadError::OtherApp { found: document.app.name.clone(), wanted: terms.app.name.clone() });
    }
    if document.engine != terms.engine {
        return Err(incompatible("the engine", &document.engine, &terms.engine));
    }
    if minor(&document.wit) != minor(&terms.wit) {
        return Err(incompatible("the WIT package", &document.wit, &terms.wit));
    }
    match document.targets.get(&terms.target) {
        None => {
            let found: Vec<_> = document.targets.keys().map(String::as_str).collect();
            return Err(incompatible("the target", &found.join("`, `"), &terms.target));
        }
        Some(cpu) if *cpu != terms.cpu => return Err(incompatible("the CPU", cpu, &terms.cpu)),
        Some(_) => {}
    }
    match document.app.routing_difference(&terms.app) {
        Some(difference) => Err(LoadError::OtherRouting(difference)),
        None => Ok(()),
    }
}

/// `0.1` of `0.1.0`: within it, functions are only added.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

fn incompatible(what: &'static str, found: &str, wanted: &str) -> LoadError {
    LoadError::Incompatible { what, found: found.to_owned(), wanted: wanted.to_owned() }
}
