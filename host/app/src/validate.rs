//! What must hold of an app as a whole.

use std::collections::BTreeSet;

use crate::grants::Grants;
use tidegate_event::{RouteKey, SelectionExpression};

use crate::app::{App, Authorizer, Route};
use crate::problem::{Problem, key, suggestion};

/// The longest name of an app or a component, in bytes: an app's becomes part of a stack's name, which CloudFormation
/// ends at 128, a component's that of a file.
pub const MAX_NAME_BYTES: usize = 64;

/// The most routes of an API, those of a connection's life included: a deployment has both, in the app or not.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
const MAX_ROUTES: usize = 300;

/// The longest name of a stage, in bytes.
///
/// <https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html>
const MAX_STAGE_BYTES: usize = 128;

const PREDEFINED: [&str; 3] = [RouteKey::CONNECT, RouteKey::DISCONNECT, RouteKey::DEFAULT];

/// The first problem of `app`; `table` is what its name and its selection expression stand under, ending in a dot.
pub(crate) fn app(app: &App, table: &str) -> Result<(), Problem> {
    name(&app.name, || format!("{table}name"))?;
    if let Err(error) = SelectionExpression::parse(&app.route_selection_expression) {
        return Err(Problem::new(format!("{table}route-selection-expression"), error.to_string()));
    }
    for component in &app.components {
        name(component, || key(&["components", component]))?;
    }
    if app.routes.is_empty() {
        let hint = "add one, such as `[routes.\"$default\"]`";
        return Err(Problem::new("routes", "there are none").hint(hint));
    }
    count(app)?;
    for (route_key, route) in &app.routes {
        self::route(app, route_key.as_str(), route)?;
    }
    if let Some(authorizer) = &app.authorizer {
        self::authorizer(app, authorizer)?;
    }
    used(app)
}

/// Whether `name` can be that of an app, a component or a key; `at` is where it stands.
pub(crate) fn name(name: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    word(name, "name", MAX_NAME_BYTES, at)
}

/// Whether `name` can be that of a stage; `at` is where it stands.
pub(crate) fn stage(name: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    word(name, "stage", MAX_STAGE_BYTES, at)
}

fn word(text: &str, what: &str, most: usize, at: impl FnOnce() -> String) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > most || !text.bytes().all(allowed) {
        let problem = format!("`{text}` is no {what}: 1 to {most} letters, digits, `-` and `_`");
        return Err(Problem::new(at(), problem));
    }
    Ok(())
}

fn count(app: &App) -> Result<(), Problem> {
    let added = [RouteKey::CONNECT, RouteKey::DISCONNECT].iter().filter(|key| !app.routes.contains_key(**key)).count();
    let count = app.routes.len() + added;
    if count <= MAX_ROUTES {
        return Ok(());
    }
    let problem =
        format!("{count} of them, `$connect` and `$disconnect` included, and API Gateway allows {MAX_ROUTES}");
    Err(Problem::new("routes", problem).hint("let one route handle several kinds of messages"))
}

fn route(app: &App, route_key: &str, route: &Route) -> Result<(), Problem> {
    if route_key.starts_with('$') && !PREDEFINED.contains(&route_key) {
        return Err(Problem::new(key(&["routes", route_key]), "only API Gateway's own route keys start with `$`")
            .hint(suggestion(route_key, &PREDEFINED)));
    }
    component(app, &route.component, || key(&["routes", route_key, "component"]))?;
    if route.response && [RouteKey::CONNECT, RouteKey::DISCONNECT].contains(&route_key) {
        let problem = format!("no reply of `{route_key}` reaches the client");
        return Err(Problem::new(key(&["routes", route_key, "response"]), problem).hint("remove it"));
    }
    named(&route.grants, &["routes", route_key, "grants"])
}

fn authorizer(app: &App, authorizer: &Authorizer) -> Result<(), Problem> {
    component(app, &authorizer.component, || "authorizer.component".to_owned())?;
    if !app.routes.keys().any(|route_key| route_key.as_str() == RouteKey::CONNECT) {
        return Err(Problem::new("authorizer", "API Gateway calls it on the route `$connect`, which is missing")
            .hint("add `[routes.\"$connect\"]`"));
    }
    let grants = &authorizer.grants;
    let forbidden = [
        ("storage", !grants.storage.is_empty()),
        ("connections", grants.connections.is_some()),
        ("messaging", grants.messaging.is_some()),
    ];
    if let Some((grant, _)) = forbidden.iter().find(|(_, granted)| *granted) {
        let problem = "an authorizer is granted configuration alone";
        return Err(Problem::new(key(&["authorizer", "grants", grant]), problem).hint("remove it"));
    }
    named(grants, &["authorizer", "grants"])
}

/// Collections and configuration are granted by names, which are not empty.
fn named(grants: &Grants, at: &[&str]) -> Result<(), Problem> {
    let unnamed = if grants.storage.contains_key("") {
        "storage"
    } else if grants.config.contains("") {
        "config"
    } else {
        return Ok(());
    };
    Err(Problem::new(key(&[at, &[unnamed]].concat()), "a name in it is empty"))
}

fn component(app: &App, component: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    if app.components.contains(component) {
        return Ok(());
    }
    let known: Vec<&str> = app.components.iter().map(String::as_str).collect();
    let hint = if known.is_empty() {
        format!("add `[{}]`", key(&["components", component]))
    } else {
        suggestion(component, &known)
    };
    Err(Problem::new(at(), format!("there is no component `{component}`")).hint(hint))
}

fn used(app: &App) -> Result<(), Problem> {
    let routes = app.routes.values().map(|route| &route.component);
    let used: BTreeSet<_> = routes.chain(app.authorizer.as_ref().map(|authorizer| &authorizer.component)).collect();
    match app.components.iter().find(|component| !used.contains(component)) {
        Some(unused) => Err(Problem::new(key(&["components", unused]), "no route and no authorizer uses it")
            .hint("use it or remove it")),
        None => Ok(()),
    }
}
