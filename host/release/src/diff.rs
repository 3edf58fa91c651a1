//! What differs between two versions of an app, as whoever activates the newer one wants to know it.
//!
//! What a route may do is compared by what it means, not by how it is written: `lobby` beside `*` is no growth, and read and
//! write in place of read-write is none either.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tidegate_app::grants::{Access, GroupPattern, Scope};
use tidegate_app::{Grants, Limits};
use tidegate_event::RouteKey;

use crate::digest::Digest;
use crate::manifest::ReleaseManifest;
use tidegate_app::{App, Authorizer, IdentitySource, Route};

/// One of the two that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<'a> {
    app: &'a App,
    /// The digests of the components; none where they are not known, as of an app that was deployed.
    components: Option<BTreeMap<&'a str, Digest>>,
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Difference {
    /// What of it needs a deployment; see [`App::routing_difference`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    /// Whether code was compared: an app that was deployed does not say what its components are.
    pub compares_code: bool,
    /// The routes.
    pub routes: Routes,
    /// The authorizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<AuthorizerDifference>,
    /// The grants, of all routes and the authorizer.
    pub grants: GrantsDifference,
    /// The names of configuration values that are read by any of them.
    pub config: ConfigDifference,
}

/// Which routes differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Routes {
    /// Those that the older one does not have.
    pub added: BTreeSet<RouteKey>,
    /// Those that the newer one does not have.
    pub removed: BTreeSet<RouteKey>,
    /// Those that differ.
    pub changed: BTreeMap<RouteKey, Changed>,
}

/// What became of the authorizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuthorizerDifference {
    /// The older one has none.
    Added,
    /// The newer one has none.
    Removed,
    /// It differs.
    Changed(Box<Changed>),
}

/// What of a route, or of the authorizer, differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Changed {
    /// The component's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Step<String>>,
    /// The component's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Step<Digest>>,
    /// Whether the route is two-way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Step<bool>>,
    /// What the authorizer needs to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_source: Option<Step<Vec<IdentitySource>>>,
    /// The limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Step<Limits>>,
    /// Whether its grants are others; what they mean is in [`Difference::grants`].
    pub grants: bool,
}

/// From one value to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step<T> {
    /// That of the older version.
    pub from: T,
    /// That of the newer one.
    pub to: T,
}

/// What the newer version may do that the older one may not, and the other way round: a sentence for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GrantsDifference {
    /// Such as `chat newly asks for broadcast to room-*`.
    pub grown: Vec<String>,
    /// Such as `chat no longer asks for broadcast to room-*`.
    pub shrunk: Vec<String>,
}

/// Which configuration values only one of the two reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigDifference {
    /// Those that the newer version reads.
    pub added: BTreeSet<String>,
    /// Those that the older version reads.
    pub removed: BTreeSet<String>,
}

impl<'a> From<&'a ReleaseManifest> for Version<'a> {
    fn from(document: &'a ReleaseManifest) -> Self {
        let components = document.components.iter().map(|(name, component)| (name.as_str(), component.digest));
        Self { app: &document.app, components: Some(components.collect()) }
    }
}

impl<'a> From<&'a App> for Version<'a> {
    fn from(app: &'a App) -> Self {
        Self { app, components: None }
    }
}

impl Version<'_> {
    fn digest(&self, component: &str) -> Option<Digest> {
        self.components.as_ref()?.get(component).copied()
    }
}

impl Difference {
    /// What `new` has otherwise than `old`.
    #[must_use]
    pub fn between<'a>(old: impl Into<Version<'a>>, new: impl Into<Version<'a>>) -> Self {
        let (old, new) = (old.into(), new.into());
        let names = (config_names(old.app), config_names(new.app));
        Self {
            routing: new.app.routing_difference(old.app),
            compares_code: old.components.is_some() && new.components.is_some(),
            routes: routes(&old, &new),
            authorizer: authorizer(&old, &new),
            grants: GrantsDifference {
                grown: sentences(old.app, new.app, "newly asks for"),
                shrunk: sentences(new.app, old.app, "no longer asks for"),
            },
            config: ConfigDifference {
                added: names.1.difference(&names.0).cloned().collect(),
                removed: names.0.difference(&names.1).cloned().collect(),
            },
        }
    }

    /// Whether the newer version may do what the older one may not.
    #[must_use]
    pub fn grew(&self) -> bool {
        !self.grants.grown.is_empty()
    }

    /// Whether the two are the same, as far as they were compared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Routes { added, removed, changed } = &self.routes;
        let routes = added.is_empty() && removed.is_empty() && changed.is_empty();
        routes && self.authorizer.is_none() && self.routing.is_none()
    }
}

/// The names of the configuration values that an app's routes and authorizer read.
#[must_use]
pub fn config_names(app: &App) -> BTreeSet<String> {
    uses(app).into_values().flat_map(|grants| grants.config.iter().cloned()).collect()
}

fn routes(old: &Version<'_>, new: &Version<'_>) -> Routes {
    let (before, after) = (&old.app.routes, &new.app.routes);
    let only_in = |these: &BTreeMap<RouteKey, Route>, those: &BTreeMap<RouteKey, Route>| {
        these.keys().filter(|key| !those.contains_key(*key)).cloned().collect()
    };
    let both = before.iter().filter_map(|(key, route)| Some((key, route, after.get(key)?)));
    let changed = both.map(|(key, from, to)| {
        let changed = Changed {
            response: step(&from.response, &to.response),
            limits: step(&from.limits, &to.limits),
            grants: from.grants != to.grants,
            ..component((old, &from.component), (new, &to.component))
        };
        (key.clone(), changed)
    });
    Routes {
        added: only_in(after, before),
        removed: only_in(before, after),
        changed: changed.filter(|(_, changed)| *changed != Changed::default()).collect(),
    }
}

fn authorizer(old: &Version<'_>, new: &Version<'_>) -> Option<AuthorizerDifference> {
    let (from, to): (&Authorizer, &Authorizer) = match (&old.app.authorizer, &new.app.authorizer) {
        (None, None) => return None,
        (None, Some(_)) => return Some(AuthorizerDifference::Added),
        (Some(_), None) => return Some(AuthorizerDifference::Removed),
        (Some(from), Some(to)) => (from, to),
    };
    let changed = Changed {
        identity_source: step(&from.identity_source, &to.identity_source),
        limits: step(&from.limits, &to.limits),
        grants: from.grants != to.grants,
        ..component((old, &from.component), (new, &to.component))
    };
    let differs = changed != Changed::default();
    differs.then(|| AuthorizerDifference::Changed(Box::new(changed)))
}

/// What differs of a component: its name, and, where it is known, its code.
fn component(from: (&Version<'_>, &String), to: (&Version<'_>, &String)) -> Changed {
    let digests = from.0.digest(from.1).zip(to.0.digest(to.1));
    Changed {
        component: step(from.1, to.1),
        code: digests.and_then(|(from, to)| step(&from, &to)),
        ..Changed::default()
    }
}

fn step<T: Clone + PartialEq>(from: &T, to: &T) -> Option<Step<T>> {
    (from != to).then(|| Step { from: from.clone(), to: to.clone() })
}

/// What is granted, and to whom: the authorizer, or a route by its key.
fn uses(app: &App) -> BTreeMap<Option<&RouteKey>, &Grants> {
    let routes = app.routes.iter().map(|(key, route)| (Some(key), &route.grants));
    routes.chain(app.authorizer.iter().map(|authorizer| (None, &authorizer.grants))).collect()
}

/// A sentence for each grant of `new` that `old` does not cover.
fn sentences(old: &App, new: &App, verb: &str) -> Vec<String> {
    let (old, nothing) = (uses(old), Grants::default());
    let sentences = uses(new).into_iter().flat_map(|(place, grants)| {
        let who = place.map_or("the authorizer", RouteKey::as_str).to_owned();
        let granted = beyond(grants, old.get(&place).copied().unwrap_or(&nothing));
        granted.into_iter().map(move |grant| format!("{who} {verb} {grant}"))
    });
    sentences.collect()
}

/// What of `new` is beyond `old`, in words.
fn beyond(new: &Grants, old: &Grants) -> Vec<String> {
    let storage = new.storage.iter().filter_map(|(collection, access)| {
        let access = more(*access, old.storage.get(collection).copied())?;
        Some(format!("{access} of the collection {collection}"))
    });
    let mut grants: Vec<_> = storage.collect();
    let (after, before) = (new.connections.clone().unwrap_or_default(), old.connections.clone().unwrap_or_default());
    grants.extend((after.describe && !before.describe).then(|| "describe of any registered connection".to_owned()));
    grants.extend((after.list && !before.list).then(|| "the list of connections".to_owned()));
    grants.extend(wider(after.attributes, before.attributes).map(|whose| format!("the attributes of {whose}")));
    grants.extend(uncovered(&after.groups, &before.groups).map(|group| format!("membership of {group}")));
    let (after, before) = (new.messaging.clone().unwrap_or_default(), old.messaging.clone().unwrap_or_default());
    grants.extend(wider(after.send, before.send).map(|whose| format!("send to {whose}")));
    grants.extend(uncovered(&after.broadcast, &before.broadcast).map(|group| format!("broadcast to {group}")));
    grants.extend(wider(after.describe, before.describe).map(|whose| format!("describe of {whose}")));
    grants.extend(wider(after.close, before.close).map(|whose| format!("close of {whose}")));
    grants.extend(new.config.difference(&old.config).map(|name| format!("the configuration value {name}")));
    grants
}

/// What `access` allows beyond what was allowed.
fn more(access: Access, had: Option<Access>) -> Option<&'static str> {
    let had = |allows: fn(Access) -> bool| had.is_some_and(allows);
    match (access.reads() && !had(Access::reads), access.writes() && !had(Access::writes)) {
        (true, true) => Some("read-write"),
        (true, false) => Some("read"),
        (false, true) => Some("write"),
        (false, false) => None,
    }
}

/// Whose connection a grant is about, where it is about more than before.
fn wider(scope: Option<Scope>, had: Option<Scope>) -> Option<&'static str> {
    match (scope, had) {
        (None, _) | (Some(_), Some(Scope::Any)) | (Some(Scope::Own), Some(Scope::Own)) => None,
        (Some(Scope::Own), None) => Some("its own connection"),
        (Some(Scope::Any), _) => Some("any connection"),
    }
}

/// The patterns of `new` that cover a group which no pattern of `old` covers.
fn uncovered(new: &[GroupPattern], old: &[GroupPattern]) -> impl Iterator<Item = String> {
    let old: Vec<String> = old.iter().cloned().map(Into::into).collect();
    let patterns: BTreeSet<String> = new.iter().cloned().map(Into::into).collect();
    patterns.into_iter().filter(move |pattern| !old.iter().any(|old| covers(old, pattern)))
}

/// Whether every group that `pattern` matches is matched by `by`. Several patterns never cover together what none of them
/// covers alone: a name may go on in more ways than there are patterns.
fn covers(by: &str, pattern: &str) -> bool {
    match by.strip_suffix('*') {
        Some(start) => pattern.strip_suffix('*').unwrap_or(pattern).starts_with(start),
        None => by == pattern,
    }
}

#[cfg(test)]
#[path = "diff/tests.rs"]
mod tests;
