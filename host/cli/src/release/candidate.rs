//! What must hold of a release before it runs: that hosts would take it, that it is there whole, that it has the routing
//! that was deployed, and that nobody overlooks what it newly asks for.

use anyhow::{Context, Result, anyhow, bail};
use tidegate_release::diff::{Difference, config_names};
use tidegate_release::publish::verify_complete;
use tidegate_release::{ReleaseId, ReleaseManifest, RolloutState};
use tidegate_runtime::engine;

use crate::release::backend::Target;

/// A release that may run.
pub(crate) struct Candidate {
    /// Which.
    pub(crate) id: ReleaseId,
    /// The name of the key that signed it.
    pub(crate) signed_by: String,
    /// What it may do that the active one, or what was deployed, may not.
    pub(crate) new_grants: Vec<String>,
    /// What its user should know.
    pub(crate) warnings: Vec<String>,
}

/// Holds a release against where it shall run.
///
/// # Errors
/// With the first reason for which it must not.
pub(crate) async fn check(target: &Target, pointer: &RolloutState, id: &ReleaseId) -> Result<Candidate> {
    let envelope = target.envelope(id).await?;
    let verified =
        envelope.verify(&target.trusted, id).with_context(|| format!("no host would take the release `{id}`"))?;
    let document = verified.manifest();
    if document.app.name != target.app {
        bail!("`{id}` is a release of the app `{}`, and this is `{}`", document.app.name, target.app);
    }
    verify_complete(&*target.store, document).await?;
    if let Some(what) = target.deployed.as_ref().and_then(|deployed| document.app.routing_difference(deployed)) {
        bail!("the routing of the release `{id}` is not what was deployed: {what}; hint: {}", target.redeploy);
    }
    let mut warnings = warnings(target, document);
    let difference = difference(target, pointer, document, &mut warnings).await;
    Ok(Candidate {
        id: id.clone(),
        signed_by: verified.signed_by().to_owned(),
        new_grants: difference.map(|difference| difference.grants.grown).unwrap_or_default(),
        warnings,
    })
}

impl Candidate {
    /// Holds that it asks for nothing new, unless that is meant.
    ///
    /// # Errors
    /// With a line for each of what it newly asks for.
    pub(crate) fn allow(&self, new_grants: bool) -> Result<()> {
        if new_grants || self.new_grants.is_empty() {
            return Ok(());
        }
        let lines: String = self.new_grants.iter().map(|sentence| format!("\n  {sentence}")).collect();
        Err(anyhow!(
            "the release `{}` may do what the one that runs may not:{lines}\nhint: if that is meant, say so with \
             `--allow-new-grants`",
            self.id
        ))
    }
}

/// What the release has otherwise than the active one, or than what was deployed while none is; none when there is neither.
async fn difference(
    target: &Target,
    pointer: &RolloutState,
    new: &ReleaseManifest,
    warnings: &mut Vec<String>,
) -> Option<Difference> {
    if let Some(active) = &pointer.active {
        let document = async { anyhow::Ok(target.envelope(active).await?.unverified()?) };
        match document.await {
            Ok(document) => return Some(Difference::between(&document, new)),
            // It must not be in the way of the one that shall take its place.
            Err(error) => warnings.push(format!("it is not compared with the active release `{active}`: {error:#}")),
        }
    }
    target.deployed.as_ref().map(|deployed| Difference::between(deployed, new))
}

fn warnings(target: &Target, document: &ReleaseManifest) -> Vec<String> {
    let mut warnings = Vec::new();
    if document.engine != engine::id() {
        warnings.push(format!(
            "it is for the engine `{}`, and hosts that were deployed with this version of `tidegate` refuse it: theirs is `{}`",
            document.engine,
            engine::id()
        ));
    }
    if let Some(deployed) = &target.deployed {
        let known = config_names(deployed);
        let unknown = config_names(&document.app).into_iter().filter(|name| !known.contains(name));
        warnings.extend(unknown.map(|name| {
            format!(
                "what was deployed does not read the configuration value `{name}`, so that its role may not; hint: {}",
                target.redeploy
            )
        }));
    }
    warnings
}
