//! `tidegate release diff`: what differs between two releases.

use std::fmt::Display;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use tidegate_app::App;
use tidegate_release::diff::{AuthorizerDifference, Changed, Difference, Step, Version};
use tidegate_release::{ReleaseManifest, RolloutState};

use crate::args::{self, Name};
use crate::release::backend::Target;
use crate::release::render as text;
use crate::ui::output::out;

/// One of the two that are compared.
enum Side {
    Release(Box<ReleaseManifest>),
    Deployed(Box<App>),
}

/// Prints what the second has otherwise than the first.
///
/// # Errors
/// When there is no such release, or it cannot be read.
pub(crate) async fn run(args: &args::Diff) -> Result<()> {
    let target = Target::find(&args.anywhere.app, &args.anywhere.place).await?;
    let pointer = target.pointer().await?;
    let old = side(&target, &pointer, &args.old).await?;
    let new = side(&target, &pointer, &args.new).await?;
    let difference = Difference::between(old.version(), new.version());
    if args.anywhere.json {
        let mut json = json!({ "from": old.id(), "to": new.id() });
        if let (Value::Object(json), Value::Object(more)) = (&mut json, serde_json::to_value(&difference)?) {
            json.extend(more);
        }
        text::print_json(&json);
        return Ok(());
    }
    out!("from {} to {}", old.id(), new.id());
    print(&difference);
    Ok(())
}

async fn side(target: &Target, pointer: &RolloutState, name: &Name) -> Result<Side> {
    if *name == Name::Deployed {
        let deployed = target.deployed.clone();
        let deployed =
            deployed.context("nothing is deployed; hint: `tidegate dev --releases` serves what it was built from")?;
        return Ok(Side::Deployed(Box::new(deployed)));
    }
    let id = target.resolve(name, pointer).await?;
    let document = target.envelope(&id).await?.unverified();
    let document = document.with_context(|| format!("cannot read the release `{id}`"))?;
    Ok(Side::Release(Box::new(document)))
}

impl Side {
    fn version(&self) -> Version<'_> {
        match self {
            Self::Release(document) => (&**document).into(),
            Self::Deployed(app) => (&**app).into(),
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Release(document) => document.id().to_string(),
            Self::Deployed(_) => "deployed".to_owned(),
        }
    }
}

fn print(difference: &Difference) {
    let Difference { routing, routes, authorizer, grants, config, compares_code, .. } = difference;
    if difference.is_empty() {
        out!("nothing differs");
    }
    routes.added.iter().for_each(|key| out!("+ {key}"));
    routes.removed.iter().for_each(|key| out!("- {key}"));
    routes.changed.iter().for_each(|(key, changed)| out!("~ {key}: {}", parts(changed)));
    match authorizer {
        None => {}
        Some(AuthorizerDifference::Added) => out!("+ the authorizer"),
        Some(AuthorizerDifference::Removed) => out!("- the authorizer"),
        Some(AuthorizerDifference::Changed(changed)) => out!("~ the authorizer: {}", parts(changed)),
        Some(_) => out!("~ the authorizer"),
    }
    grants.grown.iter().chain(&grants.shrunk).for_each(|sentence| out!("  {sentence}"));
    let names = |names: &std::collections::BTreeSet<String>| Vec::from_iter(names.iter().cloned()).join(", ");
    if !config.added.is_empty() {
        out!("configuration values that only the newer one reads: {}", names(&config.added));
    }
    if !config.removed.is_empty() {
        out!("configuration values that only the older one reads: {}", names(&config.removed));
    }
    if let Some(what) = routing {
        out!("another deployment is needed for {what}; hint: make deploy");
    }
    if !compares_code {
        out!("the code of what was deployed is not known, and was not compared");
    }
}

/// What of a route differs, in a line.
fn parts(changed: &Changed) -> String {
    let mut parts = Vec::new();
    let step = |what: &str, from: &dyn Display, to: &dyn Display| format!("{what} {from} -> {to}");
    parts.extend(changed.component.as_ref().map(|it| step("component", &it.from, &it.to)));
    parts.extend(changed.code.as_ref().map(|_| "code".to_owned()));
    parts.extend(changed.response.as_ref().map(|it| step("response", &it.from, &it.to)));
    parts.extend(changed.identity_source.as_ref().map(|it| json_step("identity-source", it)));
    parts.extend(changed.limits.as_ref().map(|it| json_step("limits", it)));
    parts.extend(changed.grants.then(|| "grants".to_owned()));
    parts.join(", ")
}

fn json_step<T: Serialize>(what: &str, step: &Step<T>) -> String {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    format!("{what} {} -> {}", text(&step.from), text(&step.to))
}
