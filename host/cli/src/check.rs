//! `tidegate check`: the manifest, the components' imports against their grants, and the limits.

use anyhow::{Result, anyhow};
use tidegate_capability::Grants;
use tidegate_release::{App, Manifest, toml_key};
use tidegate_runtime::{Engine, EngineOptions, Problem, Role};

use crate::args;
use crate::build::{self, Built};

/// Builds and checks the app, and prints a line that says so.
///
/// # Errors
/// With everything that is wrong.
pub(crate) async fn run(args: &args::App) -> Result<()> {
    let manifest = Manifest::load(&args.dir)?;
    let release = build::build(&manifest).await?;
    tidegate_runtime::check(&Engine::new(EngineOptions::local())?, &release)
        .map_err(|error| anyhow!("{}: {error}", manifest.file.display()))?;
    let (routes, components) = (release.app.routes.len(), release.app.components.len());
    println!("{}: ok: {routes} routes, {components} components, release {}", manifest.name(), release.id);
    Ok(())
}

/// Holds what the components import and export against the manifest, before anything is compiled.
///
/// # Errors
/// With a line for each problem: the file, the key, and what to do.
pub(crate) fn imports(manifest: &Manifest, components: &[Built]) -> Result<()> {
    let app = manifest.app();
    let mut lines = Vec::new();
    for built in components {
        let name = &built.component.name;
        if let Err(problem) = built.interfaces.check_world() {
            lines.push(line(manifest, &format!("components.{}.source", toml_key(name)), name, &problem));
            continue;
        }
        for (place, role, grants) in uses(&app, name) {
            let problems = built.interfaces.check_role(role, grants);
            lines.extend(problems.iter().map(|problem| line(manifest, &place, name, problem)));
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(anyhow!(lines.join("\n"))) }
}

/// The places of the manifest that use a component.
fn uses<'a>(app: &'a App, component: &str) -> Vec<(String, Role, &'a Grants)> {
    let routes = app.routes.iter().filter(|(_, route)| route.component == component);
    let routes = routes.map(|(key, route)| (format!("routes.{}", toml_key(key.as_str())), Role::Route, &route.grants));
    let authorizer = app.authorizer.iter().filter(|authorizer| authorizer.component == component);
    routes.chain(authorizer.map(|it| ("authorizer".to_owned(), Role::Authorizer, &it.grants))).collect()
}

fn line(manifest: &Manifest, place: &str, component: &str, problem: &Problem) -> String {
    format!("{}: {place}: component `{component}` {problem}", manifest.file.display())
}
