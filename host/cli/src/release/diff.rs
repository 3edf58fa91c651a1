//! `tidegate release diff`: the differences between two releases.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};
use tidegate_app::App;
use tidegate_diagnostic::{Code, Diagnostic};
use tidegate_release::diff::{AuthorizerDifference, Changed, Difference, Step, Version};
use tidegate_release::{ReleaseManifest, RolloutState};

use crate::args::{self, ReleaseRef};
use crate::release::backend::StoreBackend;
use crate::release::render;
use crate::ui::error::Result;
use crate::ui::terminal::out;

/// One of the two sides of a comparison.
enum Side {
    Release(Box<ReleaseManifest>),
    Deployed(Box<App>),
}

/// Prints the differences between the first and the second release.
///
/// # Errors
/// A release does not exist or cannot be read.
pub(crate) async fn run(args: &args::Diff) -> Result<()> {
    let backend = StoreBackend::find(&args.store).await?;
    let state = backend.rollout_state().await?;
    let old = side(&backend, &state, &args.old).await?;
    let new = side(&backend, &state, &args.new).await?;
    let difference = Difference::between(old.version(), new.version());
    if args.store.json {
        let mut json = json!({ "from": old.id(), "to": new.id() });
        // A difference is always a JSON object.
        if let (Value::Object(json), Ok(Value::Object(more))) = (&mut json, serde_json::to_value(&difference)) {
            json.extend(more);
        }
        render::print_json(&json);
        return Ok(());
    }
    out!("from {} to {}", old.id(), new.id());
    print(&difference);
    Ok(())
}

async fn side(backend: &StoreBackend, state: &RolloutState, reference: &ReleaseRef) -> Result<Side> {
    if *reference == ReleaseRef::Deployed {
        let deployed = backend.deployed.clone().ok_or_else(|| {
            Diagnostic::new(Code::NothingDeployed, "cannot compare with the deployed app", "no app is deployed")
                .hint("start `tidegate dev --releases`, which counts as a deployment of the app")
        })?;
        return Ok(Side::Deployed(Box::new(deployed)));
    }
    let id = backend.resolve(reference, state).await?;
    Ok(Side::Release(Box::new(backend.release_manifest(&id).await?)))
}

impl Side {
    fn version(&self) -> Version<'_> {
        match self {
            Self::Release(manifest) => (&**manifest).into(),
            Self::Deployed(app) => (&**app).into(),
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Release(manifest) => manifest.id().to_string(),
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
    grants.grown.iter().chain(&grants.shrunk).for_each(|grant| out!("  {grant}"));
    if !config.added.is_empty() {
        out!("configuration values that only the newer one reads: {}", names(&config.added));
    }
    if !config.removed.is_empty() {
        out!("configuration values that only the older one reads: {}", names(&config.removed));
    }
    if let Some(routing) = routing {
        out!("the deployed routing must change first, with `make deploy`: {routing}");
    }
    if !compares_code {
        out!("the code is not compared: the code of the deployed app is unknown");
    }
}

fn names(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the differences of one route, in one line.
fn parts(changed: &Changed) -> String {
    let Changed { component, code, response, identity_source, limits, grants, .. } = changed;
    let mut parts = Vec::new();
    parts.extend(component.as_ref().map(|step| text_step("component", &step.from, &step.to)));
    parts.extend(code.as_ref().map(|_| "code".to_owned()));
    parts.extend(response.as_ref().map(|step| text_step("response", &step.from, &step.to)));
    parts.extend(identity_source.as_ref().map(|step| json_step("identity-source", step)));
    parts.extend(limits.as_ref().map(|step| json_step("limits", step)));
    parts.extend(grants.then(|| "grants".to_owned()));
    parts.join(", ")
}

fn text_step(name: &str, from: &dyn Display, to: &dyn Display) -> String {
    format!("{name} {from} -> {to}")
}

fn json_step<T: Serialize>(name: &str, step: &Step<T>) -> String {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    text_step(name, &text(&step.from), &text(&step.to))
}
