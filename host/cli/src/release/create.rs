//! `tidegate release create`: from sources to a published release.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate_app::Manifest;
use tidegate_compile::Triple;
use tidegate_diagnostic::Context as _;
use tidegate_event::Timestamp;
use tidegate_release::keys::KeyId;
use tidegate_release::manifest::Provenance;
use tidegate_release::prune::{self, Author};
use tidegate_release::publish::{BuiltComponent, BuiltRelease, Published, publish};
use tidegate_release::{Digest, Envelope, SigningKey};
use tidegate_runtime::{engine, interface};

use crate::args;
use crate::build::built::Built;
use crate::build::{self, Artifacts, BuiltApp, check};
use crate::release::backend::{Missing, StoreBackend, unverified};
use crate::release::{render, revision, signing};
use crate::ui::error::Result;
use crate::ui::terminal::{err, out};

/// Builds, signs and publishes a release, and prints its id.
///
/// # Errors
/// The app cannot be built, there is no key, or the store fails.
pub(crate) async fn run(args: &args::Create) -> Result<()> {
    let manifest = Manifest::load(&args.app.dir)?;
    // Errors that need no build are reported before the build.
    let keys = signing::keys(&args.keys)?;
    let backend = StoreBackend::open(&manifest, &args.location, Missing::Create).await?;
    let release = built_release(&manifest).await?;
    let published = publish_or_sign_again(&backend, &release, &keys).await?;
    let warnings = warnings(&backend, &published);
    for warning in &warnings {
        err!("tidegate: warning: {warning}");
    }
    let signed_by: Vec<_> = published.envelope.signers().map(|key| backend.key_name(&key.to_string())).collect();
    if args.json {
        render::print_json(&json!({
            "id": published.id,
            "new": published.new,
            "provenance": unverified(&published.id, &published.envelope)?.provenance,
            "signed-by": signed_by,
            "warnings": warnings,
        }));
        return Ok(());
    }
    let signed_by = signed_by.join(", ");
    match published.new {
        true => err!("tidegate: published the release `{}`, signed by {signed_by}", published.id),
        false => err!("tidegate: the release `{}` is already published, signed by {signed_by}", published.id),
    }
    out!("{}", published.id);
    Ok(())
}

/// Builds the release for every CPU.
async fn built_release(manifest: &Manifest) -> Result<BuiltRelease> {
    // This check reports problems now that hosts would otherwise report when the release is activated.
    let BuiltApp { components: built, artifacts: for_this_machine, .. } =
        check::checked(manifest, Artifacts::Compiled).await?;
    let revision = revision::of(&manifest.dir).await;
    let mut components: BTreeMap<_, _> = built.iter().map(without_artifacts).collect();
    let mut targets = BTreeMap::new();
    for target in Triple::ALL {
        let artifacts = match target == Triple::host()? {
            true => for_this_machine.clone(),
            false => build::compile(built.clone(), target, Artifacts::Compiled).await?,
        };
        for (name, artifact) in artifacts {
            if let Some(component) = components.get_mut(&name) {
                component.artifacts.insert(target.as_str().to_owned(), artifact);
            }
        }
        if let Some(cpu) = engine::cpu_baseline(target.as_str()) {
            targets.insert(target.as_str().to_owned(), cpu.to_owned());
        }
    }
    Ok(BuiltRelease {
        app: manifest.app(),
        components,
        engine: engine::id().to_owned(),
        wit: interface::WIT_VERSION.to_owned(),
        targets,
        provenance: Provenance {
            created_at: Timestamp::now(),
            revision,
            tidegate: env!("CARGO_PKG_VERSION").to_owned(),
        },
    })
}

fn without_artifacts(built: &Built) -> (String, BuiltComponent) {
    (built.component.name.clone(), BuiltComponent { digest: Digest::of(&built.bytes), artifacts: BTreeMap::new() })
}

/// Publishes the release. If it is already published but not signed by any of these keys, signs it again, for example
/// after a key was revoked.
async fn publish_or_sign_again(
    backend: &StoreBackend,
    release: &BuiltRelease,
    keys: &[SigningKey],
) -> Result<Published> {
    let what = || "cannot publish the release";
    let published = publish(&*backend.store, release, keys).await.context(what)?;
    if published.new || is_signed_by(&published.envelope, keys) {
        return Ok(published);
    }
    let author = Author { who: backend.who.clone(), why: Some(format!("`{}` is signed again", published.id)) };
    let withdrawn = prune::withdraw(&*backend.store, &published.id, &author).await;
    withdrawn.context(|| {
        let signers: Vec<_> = published.envelope.signers().map(|key| backend.key_name(&key.to_string())).collect();
        let signers = signers.join("`, `");
        format!("cannot sign the release `{}` again, which is published with a signature by `{signers}`", published.id)
    })?;
    publish(&*backend.store, release, keys).await.context(what)
}

fn is_signed_by(envelope: &Envelope, keys: &[SigningKey]) -> bool {
    envelope.signers().any(|signer| keys.iter().any(|key| KeyId::of(&key.public_key()) == signer))
}

fn warnings(backend: &StoreBackend, published: &Published) -> Vec<String> {
    let verified = published.envelope.verify(&backend.trusted, &published.id);
    let warning = verified.err().map(|error| format!("the release cannot be activated: {error}"));
    warning.into_iter().collect()
}
