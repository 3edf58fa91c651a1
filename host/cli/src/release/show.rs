//! `tidegate release show`: one release.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_app::Keys;
use tidegate_app::keys::Key;
use tidegate_release::keys::KeyId;
use tidegate_release::manifest::Component;
use tidegate_release::publish::verify_complete;
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, TrustedKeys};

use crate::args;
use crate::release::backend::{StoreBackend, unverified};
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::out;

/// A signature, compared with the keys of the manifest.
struct Signature {
    key: KeyId,
    /// The name of the key in the manifest.
    name: Option<String>,
    /// True if hosts accept the signature.
    trusted: bool,
    /// The reason for `trusted`.
    verdict: String,
}

/// Prints the parts, the grants and the signatures of a release.
///
/// # Errors
/// The release does not exist or cannot be read.
pub(crate) async fn run(args: &args::Show) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let id = backend.resolve(&args.release, &state).await?;
    let envelope = backend.envelope(&id).await?;
    let manifest = unverified(&id, &envelope)?;
    let signatures: Vec<_> = envelope.signers().map(|key| signature(&backend, &envelope, &id, key)).collect();
    let untrusted = envelope.verify(&backend.trusted, &id).err().map(|error| error.to_string());
    let incomplete = verify_complete(&*backend.store, &manifest).await.err().map(|error| error.to_string());
    let problems: Vec<_> = untrusted.iter().chain(&incomplete).collect();
    if args.store.json {
        let signatures: Vec<_> = signatures.iter().map(Signature::json).collect();
        render::print_json(&json!({
            "id": id,
            "document": manifest,
            "signatures": signatures,
            "trusted": untrusted.is_none(),
            "complete": incomplete.is_none(),
            "problems": problems,
        }));
        return Ok(());
    }
    print_summary(&id, &manifest);
    for Signature { key, name, verdict, .. } in &signatures {
        out!("signed by  {} ({key}): {verdict}", name.as_deref().unwrap_or("a key that is not in the manifest"));
    }
    for problem in problems {
        out!("problem    {problem}");
    }
    print_components(&manifest);
    print_routes(&manifest);
    Ok(())
}

fn signature(backend: &StoreBackend, envelope: &Envelope, id: &ReleaseId, key: KeyId) -> Signature {
    let stage = backend.trusted.stage();
    let known = backend.keys.0.iter().find(|(_, known)| KeyId::of(&known.public_key) == key);
    let Some((name, known)) = known else {
        return Signature { key, name: None, trusted: false, verdict: "the key is unknown".to_owned() };
    };
    // Verify with this key alone, as if the stage trusted it.
    let alone = Key { stages: [stage.to_owned()].into(), ..known.clone() };
    let alone = TrustedKeys::of_stage(&Keys(BTreeMap::from([(name.clone(), alone)])), stage);
    let (trusted, verdict) = match envelope.verify(&alone, id) {
        Err(error) => (false, error.to_string()),
        Ok(_) if known.stages.contains(stage) => (true, format!("the stage `{stage}` trusts it")),
        Ok(_) => (false, format!("the stage `{stage}` does not trust it")),
    };
    Signature { key, name: Some(name.clone()), trusted, verdict }
}

impl Signature {
    fn json(&self) -> Value {
        json!({ "key": self.key, "name": self.name, "trusted": self.trusted, "verdict": self.verdict })
    }
}

fn print_summary(id: &ReleaseId, manifest: &ReleaseManifest) {
    let provenance = &manifest.provenance;
    out!("release    {id} of {}", manifest.app.name);
    out!("created    {} by tidegate {}", render::time(provenance.created_at), provenance.tidegate);
    out!("revision   {}", provenance.revision.as_deref().unwrap_or(render::NONE));
    out!("engine     {}, WIT {}", manifest.engine, manifest.wit);
    for (target, cpu) in &manifest.targets {
        out!("target     {target} ({cpu})");
    }
}

fn print_components(manifest: &ReleaseManifest) {
    out!();
    let rows: Vec<_> = manifest
        .components
        .iter()
        .map(|(name, component)| {
            let digest = component.digest.to_string().chars().take(16).collect();
            [name.clone(), digest, artifact_sizes(component)]
        })
        .collect();
    render::print_table(["COMPONENT", "SHA-256", "ARTIFACTS"], &rows);
}

fn artifact_sizes(component: &Component) -> String {
    let sizes = component.artifacts.values().map(|artifact| (artifact.size / 1_000).to_string());
    format!("{} kB", sizes.collect::<Vec<_>>().join(" + "))
}

fn print_routes(manifest: &ReleaseManifest) {
    out!();
    let app = &manifest.app;
    let routes = app
        .routes
        .iter()
        .map(|(key, route)| [key.to_string(), route.component.clone(), to_json(&route.limits), to_json(&route.grants)]);
    let authorizer = app.authorizer.iter().map(|authorizer| {
        let place = "(authorizer)".to_owned();
        [place, authorizer.component.clone(), to_json(&authorizer.limits), to_json(&authorizer.grants)]
    });
    render::print_table(["ROUTE", "COMPONENT", "LIMITS", "GRANTS"], &routes.chain(authorizer).collect::<Vec<_>>());
}

/// Returns the JSON text with sorted keys.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_value(value).map_or_else(|_| String::new(), |value| value.to_string())
}
