//! Turns a published release into one that a host can run. The bytes that are verified are the bytes that are loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidegate_app::App;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_ports::Deadline;

use crate::artifact::{Artifact, Release};
use crate::digest::Digest;
use crate::envelope::{Envelope, VerifyError};
use crate::id::ReleaseId;
use crate::keys::TrustedKeys;
use crate::manifest::{ArtifactRecord, ReleaseManifest};
use crate::store::{ReleaseReader, StoreError};

/// The number of artifacts that are downloaded at the same time.
const CONCURRENCY: usize = 8;

/// The bytes of an artifact whose digest is in a verified release. Only [`load`] creates one.
#[derive(Clone)]
pub struct VerifiedArtifact(Arc<[u8]>);

impl VerifiedArtifact {
    /// Returns the verified bytes.
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

/// The properties of a host that decide which releases it trusts and can run.
#[derive(Debug, Clone)]
pub struct HostProfile {
    /// The keys that the stage of the host trusts.
    pub keys: TrustedKeys,
    /// The engine: the version and the configuration of Wasmtime.
    pub engine: String,
    /// The target, for example `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The minimum CPU, for example `x86-64-v3`.
    pub cpu: String,
    /// The version of the WIT package. The host also runs releases for another patch version.
    pub wit: String,
    /// The app that the host was deployed with. A release must have its name and its routing.
    pub app: App,
}

/// A failure to load a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store failed, or it does not have a part of the release.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The release cannot be trusted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The release was compiled for other hosts.
    #[error("the release is for {what} `{found}`, and this host has `{wanted}`")]
    Incompatible {
        /// The property that differs: the engine, the target, the CPU or the WIT package.
        what: &'static str,
        /// The value in the release.
        found: String,
        /// The value of the host.
        wanted: String,
    },
    /// The release belongs to another app.
    #[error("the release belongs to the app `{found}`, and this host runs `{wanted}`")]
    OtherApp {
        /// The app of the release.
        found: String,
        /// The app of the host.
        wanted: String,
    },
    /// The release needs other infrastructure.
    #[error("the routing of the release differs from the deployed routing: {0}")]
    OtherRouting(String),
    /// The stored artifact is larger than the signed one.
    #[error(
        "the artifact of the component `{component}` was altered: it is larger than the {signed} bytes that were signed"
    )]
    OversizedArtifact {
        /// The name of the component.
        component: String,
        /// The size in the release.
        signed: u64,
    },
    /// The stored artifact is not the signed one.
    #[error(
        "the artifact of the component `{component}` was altered: its digest is `{found}`, and `{signed}` was signed"
    )]
    AlteredArtifact {
        /// The name of the component.
        component: String,
        /// The digest in the release.
        signed: Digest,
        /// The digest of the stored bytes.
        found: Digest,
    },
}

impl From<LoadError> for Diagnostic {
    fn from(error: LoadError) -> Self {
        let why = error.to_string();
        let (code, hint) = match error {
            LoadError::Store(error) => return error.into(),
            LoadError::Verify(error) => return error.into(),
            LoadError::Incompatible { .. } => (
                Code::ReleaseIncompatible,
                "create the release with the deployed version of `tidegate`, or deploy with this version",
            ),
            LoadError::OtherApp { .. } => (Code::ReleaseOtherApp, "activate a release of this app"),
            LoadError::OtherRouting(_) => {
                (Code::RoutingDiffers, "run `make deploy`, or restart `tidegate dev`, before activating")
            }
            LoadError::AlteredArtifact { .. } | LoadError::OversizedArtifact { .. } => (
                Code::ArtifactAltered,
                "run `tidegate release create` on the same sources, which stores the artifact again",
            ),
        };
        Self::new(code, "cannot load the release", why).hint(hint)
    }
}

/// Loads a release from a store and verifies its signature, its compatibility with the host of this `profile`, and the
/// digests of its artifacts. Only the components that the app still uses after `select` are loaded.
///
/// # Errors
/// The first problem that is found. In that case no part of the release may run.
pub async fn load(
    store: &(impl ReleaseReader + ?Sized),
    id: &ReleaseId,
    profile: &HostProfile,
    select: impl Fn(&mut App),
    deadline: Deadline,
) -> Result<Release, LoadError> {
    let envelope = Envelope::parse(&store.envelope(id, deadline).await?)?;
    let verified = envelope.verify(&profile.keys, id)?;
    let manifest = verified.manifest();
    check_compatible(manifest, profile)?;
    let mut app = manifest.app.clone();
    select(&mut app);
    let used = app.used();
    let components = manifest.components.iter().filter(|(name, _)| used.contains(name.as_str()));
    let fetches = components.map(|(name, component)| {
        let record = component.artifacts.get(&profile.target).copied();
        async move { fetch(store, name, record, profile, deadline).await.map(|artifact| (name.clone(), artifact)) }
    });
    // The futures are collected first: a stream of closures that borrow would not be `Send`.
    let fetches: Vec<_> = fetches.collect();
    let artifacts: BTreeMap<_, _> = stream::iter(fetches).buffer_unordered(CONCURRENCY).try_collect().await?;
    app.components = used;
    Ok(Release { id: id.clone(), app, declared_app: manifest.app.clone(), artifacts })
}

async fn fetch(
    store: &(impl ReleaseReader + ?Sized),
    component: &str,
    record: Option<ArtifactRecord>,
    profile: &HostProfile,
    deadline: Deadline,
) -> Result<Artifact, LoadError> {
    // A verified release has an artifact of each component for each of its targets, and the target was checked before.
    let record = record.ok_or_else(|| incompatible("the target", "none", &profile.target))?;
    let bytes = store.artifact(&record.digest, record.size, deadline).await.map_err(|error| match error {
        StoreError::TooLarge(_) => {
            LoadError::OversizedArtifact { component: component.to_owned(), signed: record.size }
        }
        error => error.into(),
    })?;
    let found = Digest::of(&bytes);
    if found != record.digest {
        let component = component.to_owned();
        return Err(LoadError::AlteredArtifact { component, signed: record.digest, found });
    }
    Ok(Artifact::Verified(VerifiedArtifact(bytes.into())))
}

fn check_compatible(manifest: &ReleaseManifest, profile: &HostProfile) -> Result<(), LoadError> {
    if manifest.app.name != profile.app.name {
        return Err(LoadError::OtherApp { found: manifest.app.name.clone(), wanted: profile.app.name.clone() });
    }
    if manifest.engine != profile.engine {
        return Err(incompatible("the engine", &manifest.engine, &profile.engine));
    }
    if minor(&manifest.wit) != minor(&profile.wit) {
        return Err(incompatible("the WIT package", &manifest.wit, &profile.wit));
    }
    match manifest.targets.get(&profile.target) {
        None => {
            let found: Vec<_> = manifest.targets.keys().map(String::as_str).collect();
            return Err(incompatible("the target", &found.join("`, `"), &profile.target));
        }
        Some(cpu) if *cpu != profile.cpu => return Err(incompatible("the CPU", cpu, &profile.cpu)),
        Some(_) => {}
    }
    match manifest.app.routing_difference(&profile.app) {
        Some(difference) => Err(LoadError::OtherRouting(difference)),
        None => Ok(()),
    }
}

/// Returns the part of a version that must match, for example `0.1` of `0.1.0`. A patch version only adds functions.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

fn incompatible(what: &'static str, found: &str, wanted: &str) -> LoadError {
    LoadError::Incompatible { what, found: found.to_owned(), wanted: wanted.to_owned() }
}
