//! The rules that a manifest obeys so that its app can be deployed. Hosts do not check them: their app is deployed.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_diagnostic::Code;
use tidegate_event::RouteKey;

use crate::app::App;
use crate::grants::{Access, Grants};
use crate::identity_source::IdentitySource;
use crate::problem::{Problem, key, suggestion};
use crate::rules::{self, NameRule};

/// Returns the first problem of the app of a manifest, apart from its name.
pub(crate) fn app(app: &App) -> Result<(), Problem> {
    let expression = &app.route_selection_expression;
    if !expression.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let problem = "it has a character that is not printable ASCII, which CloudFormation replaces by `?`";
        return Err(Problem::new(Code::SelectionExpressionInvalid, "app.route-selection-expression", problem));
    }
    resources(app)?;
    for (route_key, route) in &app.routes {
        let route_key = route_key.as_str();
        rules::ROUTE_KEY
            .check(route_key)
            .map_err(|error| Problem::new(Code::RouteKeyInvalid, key(&["routes", route_key]), error.to_string()))?;
        grants(&route.grants, &["routes", route_key, "grants"])?;
    }
    if let Some(authorizer) = &app.authorizer {
        for (index, source) in authorizer.identity_source.iter().enumerate() {
            identity_source(source)
                .map_err(|problem| problem.in_element(index).in_key("identity-source"))
                .map_err(|problem| problem.in_key("authorizer"))?;
        }
        grants(&authorizer.grants, &["authorizer", "grants"])?;
    }
    policies(app)?;
    size(app)
}

/// Checks a name. `at` returns its place.
pub(crate) fn name(rule: &NameRule, name: &str, at: impl FnOnce() -> String) -> Result<(), Problem> {
    rule.check(name).map_err(|error| Problem::new(Code::NameInvalid, at(), error.to_string()))
}

/// Checks the names of granted collections and configuration values.
pub(crate) fn grants(grants: &Grants, at: &[&str]) -> Result<(), Problem> {
    for collection in grants.storage.keys() {
        name(&rules::COLLECTION, collection, || key(&[at, &["storage"]].concat()))?;
    }
    grants.config.iter().try_for_each(|config| name(&rules::CONFIG, config, || key(&[at, &["config"]].concat())))
}

fn identity_source(source: &IdentitySource) -> Result<(), Problem> {
    let text = String::from(source.clone());
    let refuse = |problem: String, hint: String| {
        Err(Problem::without_key(Code::IdentitySourceInvalid, format!("`{text}`: {problem}")).hint(hint))
    };
    match source {
        IdentitySource::Header(name) | IdentitySource::QueryString(name) if !rules::PARAMETER.allows(name) => {
            refuse(format!("expected {}", rules::PARAMETER.expected), "rename the header or the parameter".to_owned())
        }
        IdentitySource::StageVariable(_) => refuse(
            "a deployed stage has no stage variables, so every client would receive 401".to_owned(),
            "use a header, a query parameter or a variable `context.NAME`".to_owned(),
        ),
        IdentitySource::Context(name) if !rules::CONTEXT.contains(&name.as_str()) => refuse(
            "API Gateway has no such value when a client connects, so every client would receive 401".to_owned(),
            suggestion(name, &rules::CONTEXT),
        ),
        _ => Ok(()),
    }
}

/// Checks the number of routes and of the resources that `infra/` makes of them.
fn resources(app: &App) -> Result<(), Problem> {
    let routes = deployed_routes(app);
    if routes > rules::MAX_ROUTES {
        let problem = format!(
            "{routes} routes, including `$connect` and `$disconnect`, exceed API Gateway's limit of {}",
            rules::MAX_ROUTES
        );
        return Err(
            Problem::new(Code::RoutesTooMany, "routes", problem).hint("handle several kinds of messages in one route")
        );
    }
    let two_way = two_way_routes(app);
    let needed = app.resources();
    let limit = rules::MAX_RESOURCES - rules::RESERVED_RESOURCES;
    if needed > limit {
        let problem = format!(
            "{routes} routes, {two_way} of them with a response, need {needed} resources of a stack, which has room \
             for {limit}"
        );
        return Err(Problem::new(Code::RoutesTooMany, "routes", problem)
            .hint("handle several kinds of messages in one route, or send replies with `messaging.send`"));
    }
    Ok(())
}

impl App {
    /// Returns the number of resources of the app's stack: one for each route, `$connect` and `$disconnect` included,
    /// one for each route response, those of the authorizer, and those that every stack has.
    #[must_use]
    pub fn resources(&self) -> usize {
        let authorizer = if self.authorizer.is_some() { rules::AUTHORIZER_RESOURCES } else { 0 };
        rules::FIXED_RESOURCES + authorizer + deployed_routes(self) + two_way_routes(self)
    }
}

/// Returns the number of routes of a stack, which always has `$connect` and `$disconnect`.
fn deployed_routes(app: &App) -> usize {
    let added = [RouteKey::CONNECT, RouteKey::DISCONNECT].iter().filter(|key| !app.routes.contains_key(**key));
    app.routes.len() + added.count()
}

fn two_way_routes(app: &App) -> usize {
    app.routes.values().filter(|route| route.response).count()
}

/// Checks that the policy of each function has room for the names that it may access.
fn policies(app: &App) -> Result<(), Problem> {
    let handler = app.routes.values().map(|route| &route.grants);
    let functions = [
        ("routes", policy_characters(&app.name, handler)),
        ("authorizer", policy_characters(&app.name, app.authorizer.iter().map(|authorizer| &authorizer.grants))),
    ];
    match functions.into_iter().find(|(_, needed)| *needed > rules::MAX_POLICY_CHARACTERS) {
        Some((table, needed)) => {
            let problem = format!(
                "the granted collections and configuration values need {needed} characters of an IAM policy, which \
                 has room for {}",
                rules::MAX_POLICY_CHARACTERS
            );
            Err(Problem::new(Code::AppTooLarge, table, problem)
                .hint("grant fewer names: a configuration value can be a JSON object of several"))
        }
        None => Ok(()),
    }
}

fn policy_characters<'a>(app: &str, grants: impl Iterator<Item = &'a Grants>) -> usize {
    let mut config = BTreeSet::new();
    let mut collections: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for grants in grants {
        config.extend(grants.config.iter().map(String::as_str));
        for (collection, access) in &grants.storage {
            let access = match access {
                Access::Read => "read",
                Access::Write => "write",
                Access::ReadWrite => "read-write",
            };
            collections.entry(access).or_default().insert(collection);
        }
    }
    let config = config.iter().map(|name| rules::CONFIG_CHARACTERS + app.len() + name.len());
    let collections = collections.values().flatten().map(|name| name.chars().map(escaped).sum::<usize>() + 5);
    config.chain(collections).sum()
}

/// Returns the number of characters of a policy for a character of a collection's name.
fn escaped(character: char) -> usize {
    match character {
        '*' | '?' | '$' => 4,
        '%' | '#' => 3,
        '"' | '\\' => 2,
        _ => 1,
    }
}

/// Checks that the app fits into the template of a stack, which records it.
fn size(app: &App) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(app).map_or(0, |json| json.len());
    if bytes <= rules::MAX_APP_BYTES {
        return Ok(());
    }
    let problem = format!("the app has {bytes} bytes as JSON, above the limit of {}", rules::MAX_APP_BYTES);
    Err(Problem::new(Code::AppTooLarge, "routes", problem).hint("grant fewer names to each route, or use fewer routes"))
}
