//! The routes of the active release, each with its component ready to be instantiated.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidegate_app::toml_key;
use tidegate_app::{Grants, Limits};
use tidegate_event::RouteKey;
use tidegate_release::{Release, ReleaseId};

use crate::component::{self, Component, Loaded};
use crate::engine::Engine;
use crate::error::{Error, Refusal};
use crate::interface::{Incompatibility, Role};
use crate::warm::WarmPool;

/// A route, or the authorizer: a component with what it may do.
pub(crate) struct Route {
    pub(crate) component: Arc<Component>,
    /// Whether the route is two-way.
    pub(crate) response: bool,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

/// A route under its key, with the place where its next instance waits beside those of the others.
pub(crate) struct Entry {
    pub(crate) key: RouteKey,
    pub(crate) route: Arc<Route>,
    pub(crate) warm_pool: Arc<WarmPool>,
}

/// The routes of one release. An event holds on to it from its beginning to its end.
pub(crate) struct Routes {
    release: ReleaseId,
    routes: HashMap<String, Entry>,
    authorizer: Option<Arc<Route>>,
}

/// One use of a component by an app.
struct Use<'a> {
    place: String,
    component: &'a str,
    role: Role,
    grants: &'a Grants,
    limits: &'a Limits,
}

impl Routes {
    /// Loads, checks and links what the release names.
    pub(crate) fn new(engine: &Engine, release: &Release) -> Result<Self, Error> {
        let loaded = load(engine, release)?;
        let linker = component::linker(engine)?;
        let mut linked = BTreeMap::new();
        let mut refusals = Vec::new();
        for (name, loaded) in &loaded {
            match loaded.link(&linker) {
                Ok(component) => drop(linked.insert(*name, Arc::new(component))),
                Err(problem) => refusals.push(Refusal {
                    place: format!("components.{}", toml_key(name)),
                    component: (*name).to_owned(),
                    problem,
                }),
            }
        }
        let mut routes = HashMap::new();
        let warm_pool: Arc<WarmPool> = Arc::default();
        for (key, route) in &release.app.routes {
            if let Some(component) = linked.get(route.component.as_str()) {
                let (grants, limits) = (route.grants.clone(), route.limits);
                let route = Route { component: Arc::clone(component), response: route.response, grants, limits };
                let entry = Entry { key: key.clone(), route: Arc::new(route), warm_pool: Arc::clone(&warm_pool) };
                routes.insert(key.as_str().to_owned(), entry);
            }
        }
        let authorizer = release.app.authorizer.as_ref().and_then(|authorizer| {
            let component = Arc::clone(linked.get(authorizer.component.as_str())?);
            let (grants, limits) = (authorizer.grants.clone(), authorizer.limits);
            Some(Arc::new(Route { component, response: false, grants, limits }))
        });
        if refusals.is_empty() {
            Ok(Self { release: release.id.clone(), routes, authorizer })
        } else {
            Err(Error::Refused(refusals))
        }
    }

    pub(crate) fn release(&self) -> &ReleaseId {
        &self.release
    }

    /// The route of exactly this key.
    pub(crate) fn exact(&self, key: &str) -> Option<&Entry> {
        self.routes.get(key)
    }

    /// The route of a message: the key's own, else `$default`. A client that names `$connect` does not get there.
    pub(crate) fn message(&self, key: &str) -> Option<&Entry> {
        let own = if matches!(key, RouteKey::CONNECT | RouteKey::DISCONNECT) { None } else { self.exact(key) };
        own.or_else(|| self.exact(RouteKey::DEFAULT))
    }

    pub(crate) fn authorizer(&self) -> Option<&Arc<Route>> {
        self.authorizer.as_ref()
    }
}

/// Loads, checks and links a release as [`Host::new`](crate::Host::new) does, without running anything. What passes here
/// loads on every host of the same version.
///
/// # Errors
/// As [`Host::new`](crate::Host::new).
pub fn dry_run_link(engine: &Engine, release: &Release) -> Result<(), Error> {
    Routes::new(engine, release).map(drop)
}

/// Loads the components of a release and holds each of their uses against grants and limits.
fn load<'a>(engine: &Engine, release: &'a Release) -> Result<BTreeMap<&'a str, Loaded>, Error> {
    let mut loaded = BTreeMap::new();
    let mut refusals = Vec::new();
    for (name, artifact) in &release.artifacts {
        loaded.insert(name.as_str(), Loaded::load(engine, name, artifact)?);
    }
    for at in uses(release) {
        let problems = match loaded.get(at.component) {
            Some(loaded) => {
                let mut problems = loaded.interfaces.check_role(at.role, at.grants);
                problems.extend(loaded.check_limits(at.limits));
                problems
            }
            None => vec![Incompatibility::NoArtifact],
        };
        let component = at.component;
        refusals.extend(problems.into_iter().map(|problem| Refusal {
            place: at.place.clone(),
            component: component.to_owned(),
            problem,
        }));
    }
    if refusals.is_empty() { Ok(loaded) } else { Err(Error::Refused(refusals)) }
}

fn uses(release: &Release) -> impl Iterator<Item = Use<'_>> {
    let routes = release.app.routes.iter().map(|(key, route)| Use {
        place: format!("routes.{}", toml_key(key.as_str())),
        component: &route.component,
        role: Role::Route,
        grants: &route.grants,
        limits: &route.limits,
    });
    let authorizer = release.app.authorizer.iter().map(|authorizer| Use {
        place: "authorizer".to_owned(),
        component: &authorizer.component,
        role: Role::Authorizer,
        grants: &authorizer.grants,
        limits: &authorizer.limits,
    });
    routes.chain(authorizer)
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("release", &self.release).finish_non_exhaustive()
    }
}
