//! `tidegate release show`: one release.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use tidegate_app::Keys;
use tidegate_app::keys::Key;
use tidegate_release::keys::KeyId;
use tidegate_release::manifest::Component;
use tidegate_release::publish::verify_complete;
use tidegate_release::{Envelope, ReleaseId, ReleaseManifest, TrustedKeys};

use crate::args;
use crate::release::backend::Target;
use crate::release::render as text;
use crate::ui::output::out;

/// A signature, held against the manifest's keys.
struct Signed {
    key: KeyId,
    /// How the manifest names the key.
    name: Option<String>,
    /// Whether hosts take it.
    trusted: bool,
    /// Why they do or do not.
    verdict: String,
}

/// Prints what a release is made of, what it may do, and who signed it.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) async fn run(args: &args::Show) -> Result<()> {
    let target = Target::find(&args.anywhere.app, &args.anywhere.place).await?;
    let pointer = target.pointer().await?;
    let id = target.resolve(&args.release, &pointer).await?;
    let envelope = target.envelope(&id).await?;
    let document = envelope.unverified()?;
    let signatures: Vec<_> = envelope.signers().map(|key| signed(&target, &envelope, &id, key)).collect();
    let believed = envelope.verify(&target.trusted, &id).err();
    let incomplete = verify_complete(&*target.store, &document).await.err();
    let problems: Vec<_> =
        believed.iter().map(ToString::to_string).chain(incomplete.iter().map(ToString::to_string)).collect();
    if args.anywhere.json {
        let signatures: Vec<_> = signatures.iter().map(Signed::json).collect();
        text::print_json(&json!({
            "id": id,
            "document": document,
            "signatures": signatures,
            "trusted": believed.is_none(),
            "complete": incomplete.is_none(),
            "problems": problems,
        }));
        return Ok(());
    }
    print(&id, &document);
    for Signed { key, name, verdict, .. } in &signatures {
        out!("signed by  {} ({key}): {verdict}", name.as_deref().unwrap_or("a key that is not in the manifest"));
    }
    for problem in problems {
        out!("problem    {problem}");
    }
    print_parts(&document);
    Ok(())
}

fn signed(target: &Target, envelope: &Envelope, id: &ReleaseId, key: KeyId) -> Signed {
    let stage = target.trusted.stage();
    let known = target.keys.0.iter().find(|(_, known)| KeyId::of(&known.public_key) == key);
    let Some((name, known)) = known else {
        return Signed { key, name: None, trusted: false, verdict: "nothing is known of it".to_owned() };
    };
    // This key alone, as if the stage trusted it.
    let alone = Key { stages: [stage.to_owned()].into(), ..known.clone() };
    let alone = TrustedKeys::of_stage(&Keys(BTreeMap::from([(name.clone(), alone)])), stage);
    let (trusted, verdict) = match envelope.verify(&alone, id) {
        Err(error) => (false, error.to_string()),
        Ok(_) if known.stages.contains(stage) => (true, format!("the stage `{stage}` trusts it")),
        Ok(_) => (false, format!("the stage `{stage}` does not trust it")),
    };
    Signed { key, name: Some(name.clone()), trusted, verdict }
}

impl Signed {
    fn json(&self) -> Value {
        json!({ "key": self.key, "name": self.name, "trusted": self.trusted, "verdict": self.verdict })
    }
}

fn print(id: &ReleaseId, document: &ReleaseManifest) {
    let made = &document.provenance;
    out!("release    {id} of {}", document.app.name);
    out!("created    {} by tidegate {}", text::time(made.created_at), made.tidegate);
    out!("revision   {}", made.revision.as_deref().unwrap_or(text::NONE));
    out!("engine     {}, WIT {}", document.engine, document.wit);
    for (target, cpu) in &document.targets {
        out!("target     {target} ({cpu})");
    }
}

fn print_parts(document: &ReleaseManifest) {
    out!();
    let size = |component: &Component| {
        let sizes = component.artifacts.values().map(|artifact| (artifact.size / 1_000).to_string());
        format!("{} kB", sizes.collect::<Vec<_>>().join(" + "))
    };
    let rows = document.components.iter().map(|(name, component)| {
        [name.clone(), component.digest.to_string().chars().take(16).collect(), size(component)]
    });
    text::print_table(["COMPONENT", "SHA-256", "ARTIFACTS"], &rows.collect::<Vec<_>>());
    out!();
    let json = |value: serde_json::Result<Value>| value.map_or_else(|_| String::new(), |value| value.to_string());
    let row = |place: String, component: &str, grants: &_, limits: &_| {
        [place, component.to_owned(), json(serde_json::to_value(limits)), json(serde_json::to_value(grants))]
    };
    let app = &document.app;
    let routes = app.routes.iter().map(|(key, it)| row(key.to_string(), &it.component, &it.grants, &it.limits));
    let authorizer =
        app.authorizer.iter().map(|it| row("(authorizer)".to_owned(), &it.component, &it.grants, &it.limits));
    text::print_table(["ROUTE", "COMPONENT", "LIMITS", "GRANTS"], &routes.chain(authorizer).collect::<Vec<_>>());
}
