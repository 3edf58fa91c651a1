//! The rules that an app as a whole obeys.

use std::collections::BTreeSet;

use tidegate_diagnostic::Code;
use tidegate_event::{RouteKey, SelectionExpression};

use crate::app::{App, Authorizer, Route};
use crate::grants::Grants;
use crate::problem::{Problem, key, suggestion};
use crate::rules;

const PREDEFINED: [&str; 3] = [RouteKey::CONNECT, RouteKey::DISCONNECT, RouteKey::DEFAULT];

/// Returns the first problem of `app`. `table` is the prefix of the app's own keys: `app.` in a manifest, otherwise
/// empty.
pub(crate) fn app(app: &App, table: &str) -> Result<(), Problem> {
    name(&app.name, || format!("{table}name"))?;
    if let Err(error) = SelectionExpression::parse(&app.route_selection_expression) {
        let at = format!("{table}route-selection-expression");
        return Err(Problem::new(Code::SelectionExpressionInvalid, at, error.to_string()));
    }
    for component in &app.components {
        name(component, || key(&["components", component]))?;
    }
    if app.routes.is_empty() {
        return Err(Problem::new(Code::RoutesMissing, "routes", "the app has no routes")
            .hint("add one, for example `[routes.\"$default\"]`"));
    }
    for (route_key, route) in &app.routes {
        self::route(app, route_key.as_str(), route)?;
    }
    if let Some(authorizer) = &app.authorizer {
        self::authorizer(app, authorizer)?;
    }
    all_components_used(app)
}

/// Checks the name of an app, a component or a key. `at` returns its place.
pub(crate) fn name(name: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    rules::COMPONENT.check(name).map_err(|error| Problem::new(Code::NameInvalid, at(), error.to_string()))
}

/// Checks the name of a stage. `at` returns its place.
pub(crate) fn stage(name: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    rules::STAGE.check(name).map_err(|error| Problem::new(Code::StageNameInvalid, at(), error.to_string()))
}

fn route(app: &App, route_key: &str, route: &Route) -> Result<(), Problem> {
    if route_key.starts_with('$') && !PREDEFINED.contains(&route_key) {
        let problem = "only API Gateway's predefined route keys start with `$`";
        return Err(Problem::new(Code::RouteKeyInvalid, key(&["routes", route_key]), problem)
            .hint(suggestion(route_key, &PREDEFINED)));
    }
    component_exists(app, &route.component, || key(&["routes", route_key, "component"]))?;
    if route.response && [RouteKey::CONNECT, RouteKey::DISCONNECT].contains(&route_key) {
        let problem = format!("API Gateway sends no response of the route `{route_key}` to the client");
        return Err(Problem::new(Code::ResponseNotAllowed, key(&["routes", route_key, "response"]), problem)
            .hint("remove the key"));
    }
    grants(&route.grants, &["routes", route_key, "grants"])
}

fn authorizer(app: &App, authorizer: &Authorizer) -> Result<(), Problem> {
    component_exists(app, &authorizer.component, || "authorizer.component".to_owned())?;
    if !app.routes.contains_key(RouteKey::CONNECT) {
        let problem = "API Gateway calls the authorizer on the route `$connect`, and the app has no such route";
        return Err(
            Problem::new(Code::AuthorizerWithoutConnect, "authorizer", problem).hint("add `[routes.\"$connect\"]`")
        );
    }
    let granted = &authorizer.grants;
    let forbidden = [
        ("storage", !granted.storage.is_empty()),
        ("connections", granted.connections.is_some()),
        ("messaging", granted.messaging.is_some()),
    ];
    if let Some((kind, _)) = forbidden.iter().find(|(_, granted)| *granted) {
        let problem = "an authorizer can be granted `config` only";
        return Err(
            Problem::new(Code::GrantNotAllowed, key(&["authorizer", "grants", kind]), problem).hint("remove the grant")
        );
    }
    grants(granted, &["authorizer", "grants"])
}

/// Checks that the names of granted collections and configuration values are not empty.
pub(crate) fn grants(grants: &Grants, at: &[&str]) -> Result<(), Problem> {
    let kind = if grants.storage.contains_key("") {
        "storage"
    } else if grants.config.contains("") {
        "config"
    } else {
        return Ok(());
    };
    Err(Problem::new(Code::GrantNameEmpty, key(&[at, &[kind]].concat()), "a name in the grant is empty"))
}

fn component_exists(app: &App, component: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    if app.components.contains(component) {
        return Ok(());
    }
    let known: Vec<&str> = app.components.iter().map(String::as_str).collect();
    let hint = if known.is_empty() {
        format!("add `[{}]`", key(&["components", component]))
    } else {
        suggestion(component, &known)
    };
    Err(Problem::new(Code::ComponentUndefined, at(), format!("the app has no component `{component}`")).hint(hint))
}

fn all_components_used(app: &App) -> Result<(), Problem> {
    let routes = app.routes.values().map(|route| &route.component);
    let used: BTreeSet<_> = routes.chain(app.authorizer.as_ref().map(|authorizer| &authorizer.component)).collect();
    match app.components.iter().find(|component| !used.contains(component)) {
        Some(unused) => {
            let problem = "no route uses the component, and the authorizer does not";
            Err(Problem::new(Code::ComponentUnused, key(&["components", unused]), problem)
                .hint("use the component or remove it"))
        }
        None => Ok(()),
    }
}
