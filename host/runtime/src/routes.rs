//! The routes of a release, each with its component ready to be instantiated.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use tidegate_app::{Grants, Limits, toml_key};
use tidegate_event::RouteKey;
use tidegate_release::{Release, ReleaseId};

use crate::component::{self, Component, LoadedComponent};
use crate::engine::Engine;
use crate::error::Error;
use crate::interface::{Incompatibility, Refusal, component_uses};
use crate::permissions::Permissions;
use crate::route::Route;
use crate::slots::RouteSlots;
use crate::warm::WarmPool;

/// A route with its key, and the warm pool that all routes of the release share.
pub(crate) struct Entry {
    pub(crate) key: RouteKey,
    pub(crate) route: Arc<Route>,
    pub(crate) warm_pool: Arc<WarmPool>,
}

/// The routes of one release. An event holds a share of them from its beginning to its end.
pub(crate) struct Routes {
    release: ReleaseId,
    routes: HashMap<String, Entry>,
    authorizer: Option<Arc<Route>>,
    /// The host's own share of the calls to the database, with which it registers and unregisters connections.
    database_calls: RouteSlots,
}

impl Routes {
    /// Loads, checks and links the components of a release.
    pub(crate) fn new(engine: &Engine, release: &Release) -> Result<Self, Error> {
        let components = link(engine, &load(engine, release)?)?;
        let make = |key: Option<&RouteKey>, component: &str, response, grants: &Grants, limits| {
            let component = Arc::clone(components.get(component)?);
            let permissions = Arc::new(Permissions::new(grants.clone(), limits));
            let slots = engine.slots().register(key);
            let database_calls = Arc::new(engine.database_calls().register(key));
            Some(Arc::new(Route { component, response, permissions, slots, database_calls, account: Arc::default() }))
        };
        let mut routes = HashMap::new();
        let warm_pool: Arc<WarmPool> = Arc::default();
        for (key, route) in &release.app.routes {
            if let Some(route) = make(Some(key), &route.component, route.response, &route.grants, route.limits) {
                let entry = Entry { key: key.clone(), route, warm_pool: Arc::clone(&warm_pool) };
                routes.insert(key.as_str().to_owned(), entry);
            }
        }
        let authorizer = release.app.authorizer.as_ref();
        let authorizer = authorizer.and_then(|it| make(None, &it.component, false, &it.grants, it.limits));
        let database_calls = engine.database_calls().register(None);
        Ok(Self { release: release.id.clone(), routes, authorizer, database_calls })
    }

    pub(crate) fn release(&self) -> &ReleaseId {
        &self.release
    }

    /// Returns the route with exactly this key.
    pub(crate) fn exact(&self, key: &str) -> Option<&Entry> {
        self.routes.get(key)
    }

    /// Returns the route of a message: the route with its key, or else `$default`. A message never reaches `$connect`
    /// or `$disconnect`.
    pub(crate) fn message(&self, key: &str) -> Option<&Entry> {
        let own = if matches!(key, RouteKey::CONNECT | RouteKey::DISCONNECT) { None } else { self.exact(key) };
        own.or_else(|| self.exact(RouteKey::DEFAULT))
    }

    pub(crate) fn database_calls(&self) -> &RouteSlots {
        &self.database_calls
    }

    pub(crate) fn authorizer(&self) -> Option<&Arc<Route>> {
        self.authorizer.as_ref()
    }
}

/// Loads, checks and links a release as [`Host::new`](crate::Host::new) does, and runs nothing. A release that passes
/// loads on every host of the same version.
///
/// # Errors
/// The errors of [`Host::new`](crate::Host::new).
pub fn dry_run_link(engine: &Engine, release: &Release) -> Result<(), Error> {
    Routes::new(engine, release).map(drop)
}

/// Loads the components of a release, and checks each against the app and its limits.
fn load<'a>(engine: &Engine, release: &'a Release) -> Result<BTreeMap<&'a str, LoadedComponent>, Error> {
    let mut components = BTreeMap::new();
    let mut refusals = Vec::new();
    for (name, artifact) in &release.artifacts {
        let loaded = LoadedComponent::load(engine, name, artifact)?;
        refusals.extend(loaded.interfaces.check_uses(name, &component_uses(&release.declared_app, name)));
        components.insert(name.as_str(), loaded);
    }
    for (place, component, limits) in limits_of_uses(release) {
        let problems = match components.get(component) {
            Some(loaded) => loaded.check_limits(limits),
            None => vec![Incompatibility::NoArtifact],
        };
        refusals.extend(problems.into_iter().map(|reason| Refusal {
            place: place.clone(),
            component: component.to_owned(),
            reason,
        }));
    }
    if refusals.is_empty() { Ok(components) } else { Err(Error::Refused(refusals)) }
}

fn link<'a>(
    engine: &Engine,
    loaded: &BTreeMap<&'a str, LoadedComponent>,
) -> Result<BTreeMap<&'a str, Arc<Component>>, Error> {
    let linker = component::linker(engine)?;
    let mut components = BTreeMap::new();
    let mut refusals = Vec::new();
    for (name, loaded) in loaded {
        match loaded.link(&linker) {
            Ok(component) => drop(components.insert(*name, Arc::new(component))),
            Err(reason) => refusals.push(Refusal {
                place: format!("components.{}", toml_key(name)),
                component: (*name).to_owned(),
                reason,
            }),
        }
    }
    if refusals.is_empty() { Ok(components) } else { Err(Error::Refused(refusals)) }
}

/// Returns the place in the manifest, the component and the limits of every route and of the authorizer.
fn limits_of_uses(release: &Release) -> impl Iterator<Item = (String, &str, &Limits)> {
    let routes = release.app.routes.iter();
    let routes =
        routes.map(|(key, it)| (format!("routes.{}", toml_key(key.as_str())), it.component.as_str(), &it.limits));
    let authorizer = release.app.authorizer.iter();
    routes.chain(authorizer.map(|it| ("authorizer".to_owned(), it.component.as_str(), &it.limits)))
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("release", &self.release).finish_non_exhaustive()
    }
}
