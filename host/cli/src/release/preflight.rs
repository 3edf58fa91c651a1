//! Checks a release before it runs. Hosts must accept it, it must be complete, its routing must be the deployed one,
//! and the operator must know about new grants.

use tidegate_diagnostic::{Code, Context as _, Diagnostic};
use tidegate_release::diff::{Difference, config_names};
use tidegate_release::publish::verify_complete;
use tidegate_release::{ReleaseId, ReleaseManifest, RolloutState};
use tidegate_runtime::engine;

use crate::release::backend::StoreBackend;
use crate::ui::error::Result;

/// A release that can run.
pub(crate) struct Candidate {
    /// The id of the release.
    pub(crate) id: ReleaseId,
    /// The name of the key that signed it.
    pub(crate) signed_by: String,
    /// The grants that the active release does not have. If no release is active, the grants that the deployed app does
    /// not have.
    pub(crate) new_grants: Vec<String>,
    /// Warnings for the operator.
    pub(crate) warnings: Vec<String>,
}

/// Checks a release against the stage or the folder in which it will run.
///
/// # Errors
/// The first reason why the release must not run.
pub(crate) async fn check(backend: &StoreBackend, state: &RolloutState, id: &ReleaseId) -> Result<Candidate> {
    let what = || format!("cannot run the release `{id}`");
    let envelope = backend.envelope(id).await?;
    let verified = envelope.verify(&backend.trusted, id).context(what)?;
    let manifest = verified.manifest();
    if manifest.app.name != backend.app {
        let why = format!("it is a release of the app `{}`, and this app is `{}`", manifest.app.name, backend.app);
        return Err(Diagnostic::new(Code::ReleaseOtherApp, what(), why));
    }
    verify_complete(&*backend.store, manifest).await.context(what)?;
    if let Some(routing) = backend.deployed.as_ref().and_then(|deployed| manifest.app.routing_difference(deployed)) {
        let why = format!("its routing differs from the deployed routing: {routing}");
        return Err(Diagnostic::new(Code::RoutingDiffers, what(), why).hint(backend.redeploy));
    }
    let mut warnings = warnings(backend, manifest);
    let difference = difference(backend, state, manifest, &mut warnings).await;
    Ok(Candidate {
        id: id.clone(),
        signed_by: verified.signed_by().to_owned(),
        new_grants: difference.map(|difference| difference.grants.grown).unwrap_or_default(),
        warnings,
    })
}

impl Candidate {
    /// Checks that the release has no new grants, unless they are allowed.
    ///
    /// # Errors
    /// The release has new grants that are not allowed. The error has a line for each.
    pub(crate) fn check_grants(&self, allow_new_grants: bool) -> Result<()> {
        if allow_new_grants || self.new_grants.is_empty() {
            return Ok(());
        }
        let what = format!("the release `{}` has grants that the current one does not have", self.id);
        Err(Diagnostic::new(Code::GrantsWidened, what, self.new_grants.join("\n"))
            .hint("if this is intended, pass `--allow-new-grants`"))
    }
}

/// Compares a release with the active release, or with the deployed app if no release is active. Returns `None` if
/// there is neither.
async fn difference(
    backend: &StoreBackend,
    state: &RolloutState,
    new: &ReleaseManifest,
    warnings: &mut Vec<String>,
) -> Option<Difference> {
    if let Some(active) = &state.active {
        match backend.release_manifest(active).await {
            Ok(active) => return Some(Difference::between(&active, new)),
            // An active release that cannot be read must not prevent its replacement.
            Err(error) => warnings.push(format!("the release is not compared with the active release: {error}")),
        }
    }
    backend.deployed.as_ref().map(|deployed| Difference::between(deployed, new))
}

fn warnings(backend: &StoreBackend, manifest: &ReleaseManifest) -> Vec<String> {
    let mut warnings = Vec::new();
    if manifest.engine != engine::id() {
        warnings.push(format!(
            "hosts of this version of `tidegate` refuse the release: it is for the engine `{}`, and theirs is `{}`",
            manifest.engine,
            engine::id()
        ));
    }
    if let Some(deployed) = &backend.deployed {
        let known = config_names(deployed);
        let unknown = config_names(&manifest.app).into_iter().filter(|name| !known.contains(name));
        warnings.extend(unknown.map(|name| {
            format!(
                "the deployed role cannot read the configuration value `{name}`; before activating, {}",
                backend.redeploy
            )
        }));
    }
    warnings
}
