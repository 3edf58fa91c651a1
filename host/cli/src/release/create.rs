//! `tidegate release create`: from sources to a published release.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use tidegate_app::Manifest;
use tidegate_compile::Triple;
use tidegate_event::Timestamp;
use tidegate_release::keys::KeyId;
use tidegate_release::manifest::Provenance;
use tidegate_release::prune::{self, Author};
use tidegate_release::publish::{BuiltComponent, BuiltRelease, Published, publish};
use tidegate_release::{Digest, Envelope, SigningKey};
use tidegate_runtime::{engine, interface};

use crate::args;
use crate::build::built::Built;
use crate::build::{self, built, check};
use crate::release::backend::{Missing, Target};
use crate::release::{render as text, revision};
use crate::ui::output::out;

/// Builds, signs and publishes a release, and prints its id.
///
/// # Errors
/// When the app is at fault, there is no key, or the store fails.
pub(crate) async fn run(args: &args::Create) -> Result<()> {
    let manifest = Manifest::load(&args.app.dir)?;
    // What can be said before the build is.
    let keys = signing_keys(&args.keys)?;
    let target = Target::open(&manifest, &args.place, Missing::Make).await?;
    let content = content(&manifest).await?;
    let published = publish_anew(&target, &content, &keys).await?;
    let warnings = warnings(&target, &published);
    for warning in &warnings {
        eprintln!("tidegate: warning: {warning}");
    }
    let signed_by: Vec<_> = published.envelope.signers().map(|key| target.key_name(&key.to_string())).collect();
    if args.json {
        let provenance = published.envelope.unverified()?.provenance;
        text::print_json(&json!({
            "id": published.id,
            "new": published.new,
            "provenance": provenance,
            "signed-by": signed_by,
            "warnings": warnings,
        }));
        return Ok(());
    }
    let signed_by = signed_by.join(", ");
    match published.new {
        true => eprintln!("tidegate: published the release `{}`, signed by {signed_by}", published.id),
        false => eprintln!("tidegate: the release `{}` is published already, signed by {signed_by}", published.id),
    }
    out!("{}", published.id);
    Ok(())
}

fn signing_keys(keys: &[args::SigningKey]) -> Result<Vec<SigningKey>> {
    if keys.is_empty() {
        bail!(
            "there is no key to sign with; hint: `--key FILE` or the environment's `TIDEGATE_SIGNING_KEY` names one, and \
             `tidegate keys new NAME` makes one"
        );
    }
    keys.iter().map(signing_key).collect()
}

fn signing_key(key: &args::SigningKey) -> Result<SigningKey> {
    match key {
        args::SigningKey::Pem(text) => SigningKey::from_pem(text).context("cannot sign with `TIDEGATE_SIGNING_KEY`"),
        args::SigningKey::File(path) => {
            let context = || format!("cannot sign with the private key `{}`", path.display());
            let text = std::fs::read_to_string(path).with_context(context)?;
            SigningKey::from_pem(&text).with_context(context)
        }
    }
}

/// The release that the sources make, for every CPU.
async fn content(manifest: &Manifest) -> Result<BuiltRelease> {
    // A host of this machine says now what another would say when it is activated.
    let checked = check::checked(manifest).await?.id;
    let revision = revision::of(&manifest.dir).await;
    let components = built::read(manifest)?;
    if built::release_id(manifest, &components) != checked {
        bail!("{}: a component has changed since it was checked; hint: try again", manifest.file.display());
    }
    let mut compiled: BTreeMap<_, _> = components.iter().map(empty).collect();
    for target in Triple::ALL {
        for (name, artifact) in build::compile(manifest, components.clone(), target).await? {
            let component = compiled.get_mut(&name).ok_or_else(|| anyhow!("there is no component `{name}`"))?;
            component.artifacts.insert(target.as_str().to_owned(), artifact);
        }
    }
    let cpu = |target: Triple| {
        let cpu = engine::cpu_baseline(target.as_str());
        cpu.map(|cpu| (target.as_str().to_owned(), cpu.to_owned()))
    };
    Ok(BuiltRelease {
        app: manifest.app(),
        components: compiled,
        engine: engine::id().to_owned(),
        wit: interface::WIT_VERSION.to_owned(),
        targets: Triple::ALL.into_iter().filter_map(cpu).collect(),
        provenance: Provenance {
            created_at: Timestamp::now(),
            revision,
            tidegate: env!("CARGO_PKG_VERSION").to_owned(),
        },
    })
}

fn empty(built: &Built) -> (String, BuiltComponent) {
    (built.component.name.clone(), BuiltComponent { digest: Digest::of(&built.bytes), artifacts: BTreeMap::new() })
}

/// Publishes the release. One that is published already and that none of these keys signed is signed anew, as after a key
/// was revoked.
async fn publish_anew(target: &Target, content: &BuiltRelease, keys: &[SigningKey]) -> Result<Published> {
    let published = publish(&*target.store, content, keys).await?;
    if published.new || is_signed_by(&published.envelope, keys) {
        return Ok(published);
    }
    let author = Author { who: target.who.clone(), why: Some(format!("`{}` is signed anew", published.id)) };
    let withdrawn = prune::withdraw(&*target.store, &published.id, &author).await;
    withdrawn.with_context(|| {
        let signers: Vec<_> = published.envelope.signers().map(|key| target.key_name(&key.to_string())).collect();
        let signers = signers.join("`, `");
        format!("the release `{}` is published already, signed by `{signers}`, and cannot be signed anew", published.id)
    })?;
    Ok(publish(&*target.store, content, keys).await?)
}

fn is_signed_by(envelope: &Envelope, keys: &[SigningKey]) -> bool {
    envelope.signers().any(|signer| keys.iter().any(|key| KeyId::of(&key.public_key()) == signer))
}

fn warnings(target: &Target, published: &Published) -> Vec<String> {
    let verified = published.envelope.verify(&target.trusted, &published.id);
    let warning = verified.err().map(|error| format!("it cannot be activated: {error}"));
    warning.into_iter().collect()
}
