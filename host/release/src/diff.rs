//! The differences between two versions of an app, for an operator who activates the newer one.
//!
//! Grants are compared by their meaning: `lobby` in addition to `*` adds nothing, and read plus write is the same as
//! read-write.
//!
//! - `grants`: the grants of one version that another does not cover

mod grants;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tidegate_app::{Grants, Limits};
use tidegate_event::RouteKey;

use crate::digest::Digest;
use crate::manifest::ReleaseManifest;
use tidegate_app::{App, Authorizer, IdentitySource, Route};

/// A version of an app to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version<'a> {
    app: &'a App,
    /// The digests of the components, or `None` if they are unknown, as for a deployed app.
    components: Option<BTreeMap<&'a str, Digest>>,
}

/// The differences between two versions of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Difference {
    /// The difference in routing, which needs a deployment; see [`App::routing_difference`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    /// True if the code was compared. The digests of the components of a deployed app are unknown.
    pub compares_code: bool,
    /// The differences between the routes.
    pub routes: Routes,
    /// The difference between the authorizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<AuthorizerDifference>,
    /// The differences between the grants of the routes and of the authorizer.
    pub grants: GrantsDifference,
    /// The differences between the names of the configuration values.
    pub config: ConfigDifference,
}

/// The routes that differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Routes {
    /// The routes that only the newer version has.
    pub added: BTreeSet<RouteKey>,
    /// The routes that only the older version has.
    pub removed: BTreeSet<RouteKey>,
    /// The routes that both versions have and that differ.
    pub changed: BTreeMap<RouteKey, Changed>,
}

/// The difference between the authorizers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuthorizerDifference {
    /// Only the newer version has an authorizer.
    Added,
    /// Only the older version has an authorizer.
    Removed,
    /// Both versions have an authorizer, and they differ.
    Changed(Box<Changed>),
}

/// The differences between two versions of a route or of the authorizer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Changed {
    /// The name of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Step<String>>,
    /// The digest of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Step<Digest>>,
    /// The response flag: true if the route is two-way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Step<bool>>,
    /// The identity sources of the authorizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_source: Option<Step<Vec<IdentitySource>>>,
    /// The limits of one event of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Step<Limits>>,
    /// True if the grants differ. [`Difference::grants`] describes the difference.
    pub grants: bool,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step<T> {
    /// The value in the older version.
    pub from: T,
    /// The value in the newer version.
    pub to: T,
}

/// The grants that only one of the two versions has, as one sentence for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GrantsDifference {
    /// The grants that only the newer version has, for example `chat newly asks for broadcast to room-*`.
    pub grown: Vec<String>,
    /// The grants that only the older version has, for example `chat no longer asks for broadcast to room-*`.
    pub shrunk: Vec<String>,
}

/// The configuration values that only one of the two versions reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigDifference {
    /// The names that only the newer version reads.
    pub added: BTreeSet<String>,
    /// The names that only the older version reads.
    pub removed: BTreeSet<String>,
}

impl<'a> From<&'a ReleaseManifest> for Version<'a> {
    fn from(manifest: &'a ReleaseManifest) -> Self {
        let components = manifest.components.iter().map(|(name, component)| (name.as_str(), component.digest));
        Self { app: &manifest.app, components: Some(components.collect()) }
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
    /// Compares two versions.
    #[must_use]
    pub fn between<'a>(old: impl Into<Version<'a>>, new: impl Into<Version<'a>>) -> Self {
        let old = old.into();
        let new = new.into();
        let old_names = config_names(old.app);
        let new_names = config_names(new.app);
        Self {
            routing: new.app.routing_difference(old.app),
            compares_code: old.components.is_some() && new.components.is_some(),
            routes: routes(&old, &new),
            authorizer: authorizer(&old, &new),
            grants: GrantsDifference {
                grown: added_grants(old.app, new.app, "newly asks for"),
                shrunk: added_grants(new.app, old.app, "no longer asks for"),
            },
            config: ConfigDifference {
                added: new_names.difference(&old_names).cloned().collect(),
                removed: old_names.difference(&new_names).cloned().collect(),
            },
        }
    }

    /// Returns true if the newer version has grants that the older one does not have.
    #[must_use]
    pub fn grew(&self) -> bool {
        !self.grants.grown.is_empty()
    }

    /// Returns true if no difference was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Routes { added, removed, changed } = &self.routes;
        let routes = added.is_empty() && removed.is_empty() && changed.is_empty();
        routes && self.authorizer.is_none() && self.routing.is_none()
    }
}

/// Returns the names of the configuration values that the routes and the authorizer of an app may read.
#[must_use]
pub fn config_names(app: &App) -> BTreeSet<String> {
    uses(app).into_values().flat_map(|grants| grants.config.iter().cloned()).collect()
}

fn routes(old: &Version<'_>, new: &Version<'_>) -> Routes {
    let before = &old.app.routes;
    let after = &new.app.routes;
    let only_in = |routes: &BTreeMap<RouteKey, Route>, others: &BTreeMap<RouteKey, Route>| {
        routes.keys().filter(|key| !others.contains_key(*key)).cloned().collect()
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

/// Compares the names of two components and, if both are known, their digests.
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

/// Returns the grants of each route by its key, and of the authorizer as `None`.
fn uses(app: &App) -> BTreeMap<Option<&RouteKey>, &Grants> {
    let routes = app.routes.iter().map(|(key, route)| (Some(key), &route.grants));
    routes.chain(app.authorizer.iter().map(|authorizer| (None, &authorizer.grants))).collect()
}

/// Returns a sentence for each grant of `new` that `old` does not cover. `verb` is the verb of the sentence.
fn added_grants(old: &App, new: &App, verb: &str) -> Vec<String> {
    let nothing = Grants::default();
    let old = uses(old);
    let sentences = uses(new).into_iter().flat_map(|(route, grants)| {
        let subject = route.map_or("the authorizer", RouteKey::as_str).to_owned();
        let added = grants::added(grants, old.get(&route).copied().unwrap_or(&nothing));
        added.into_iter().map(move |grant| format!("{subject} {verb} {grant}"))
    });
    sentences.collect()
}

#[cfg(test)]
#[path = "diff/tests.rs"]
mod tests;
