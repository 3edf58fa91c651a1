//! A host with the guest programs as its routes, over a world in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tidegate_app::grants::{Access, ConnectionsGrant, GroupPattern, MessagingGrant, Scope};
use tidegate_app::{App, Authorizer, Route};
use tidegate_app::{Grants, Limits};
use tidegate_event::{FunctionError, Payload, Reply, RouteKey, decode_reply};
use tidegate_ports::Deadline;
use tidegate_release::{Artifact, Digest, Release, ReleaseId};
use tidegate_runtime::{Engine, EngineOptions, Error, Host, Outcome, Ports, Retired, RoutePorts, Tracks, engine};

use crate::guests;
use crate::world::World;

/// A host and the world behind it.
pub(crate) struct Fixture {
    pub(crate) host: Arc<Host>,
    pub(crate) world: Arc<World>,
}

impl Fixture {
    /// The probe as every route, on a pool: `any` is granted much, `own` little, and `one-way` has no route response.
    pub(crate) fn new() -> Self {
        static POOL: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineOptions::local()).unwrap());
        Self::with(POOL.clone(), app()).unwrap()
    }

    /// Returns a host whose guests stay on the thread of the test, which records the log.
    pub(crate) fn on_this_thread() -> Self {
        let mut options = EngineOptions::local();
        options.guest_threads = 0;
        Self::with(Engine::new(options).unwrap(), app()).unwrap()
    }

    /// Returns a host that gives its guests 100 ms.
    pub(crate) fn hurried(options: EngineOptions) -> Self {
        let mut app = app();
        app.routes.values_mut().for_each(|route| route.limits.time = Duration::from_millis(100));
        Self::with(Engine::new(options).unwrap(), app).unwrap()
    }

    pub(crate) fn with(engine: Engine, app: App) -> Result<Self, Error> {
        let world = Arc::new(World::default());
        let host = Arc::new(Host::new(engine, ports(&world), release(app))?);
        Ok(Self { host, world })
    }

    /// Runs later events on another release, and returns the replaced one.
    pub(crate) fn activate(&self, release: &Release) -> Result<Retired, Error> {
        let mut retired = self.host.swap_tracks(Tracks::stable(self.host.link(release)?));
        Ok(retired.pop().expect("another release ran"))
    }

    /// Returns the outcome of one event, before its post-response phase.
    pub(crate) async fn dispatch(&self, event: &[u8]) -> Outcome {
        self.host.dispatch(event, Deadline::after(Duration::from_secs(29))).await
    }

    /// Returns the reply to one event, after its post-response phase.
    pub(crate) async fn reply(&self, event: &[u8]) -> Result<Reply, FunctionError> {
        let outcome = self.dispatch(event).await;
        outcome.after.run(Deadline::after(Duration::from_secs(10))).await;
        outcome.response.map(|json| decode_reply(&json).unwrap())
    }

    /// Returns the text of the probe's answer to a message.
    pub(crate) async fn probe(&self, route: &str, behaviour: &str) -> String {
        let reply = self.reply(&crate::events::message(route, behaviour)).await;
        let reply = reply.unwrap_or_else(|error| panic!("{behaviour}: {}", error.error_message));
        assert_eq!(reply.status, 200, "{behaviour}");
        match reply.body {
            Some(Payload::Text(text)) => text,
            body => panic!("{behaviour}: {body:?}"),
        }
    }

    /// Returns the function error of a message that must fail.
    pub(crate) async fn failure(&self, route: &str, behaviour: &str) -> FunctionError {
        self.reply(&crate::events::message(route, behaviour)).await.expect_err(behaviour)
    }
}

pub(crate) fn ports(world: &Arc<World>) -> Ports {
    let values = [("plan", "gold"), ("secret", "hunter2")];
    let routes = RoutePorts {
        storage: Arc::clone(world) as _,
        registry: Arc::clone(world) as _,
        messaging: Arc::clone(world) as _,
    };
    Ports {
        routes: Some(routes),
        config: Arc::new(values.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
    }
}

/// The app of most tests.
pub(crate) fn app() -> App {
    let lifecycle = || route("probe", any(), false);
    app_of([
        ("$connect", lifecycle()),
        ("$disconnect", lifecycle()),
        ("any", route("probe", any(), true)),
        ("own", route("probe", own(), true)),
        ("one-way", route("probe", any(), false)),
        ("echo", route("echo", Grants::default(), true)),
    ])
}

pub(crate) fn app_of<const N: usize>(routes: [(&str, Route); N]) -> App {
    let routes: BTreeMap<_, _> = routes.map(|(key, route)| (RouteKey::new(key).unwrap(), route)).into();
    App {
        name: "probe".to_owned(),
        route_selection_expression: "$request.body.action".to_owned(),
        components: routes.values().map(|route| route.component.clone()).collect(),
        routes,
        authorizer: None,
    }
}

pub(crate) fn authorized_by(component: &str, config: &[&str]) -> App {
    let grants = Grants { config: names(config), ..Grants::default() };
    let limits = Limits::default();
    let authorizer = Authorizer { component: component.to_owned(), identity_source: Vec::new(), grants, limits };
    let mut app = app_of([]);
    app.components.insert(component.to_owned());
    app.authorizer = Some(authorizer);
    app
}

pub(crate) fn route(component: &str, grants: Grants, response: bool) -> Route {
    Route { component: component.to_owned(), response, grants, limits: limits() }
}

/// Long enough for a busy machine, short enough to wait for.
pub(crate) fn limits() -> Limits {
    Limits { time: Duration::from_secs(10), ..Limits::default() }
}

pub(crate) fn any() -> Grants {
    let groups = patterns(&["lobby", "room-*"]);
    Grants {
        storage: [("notes", Access::ReadWrite), ("archive", Access::Read), ("outbox", Access::Write)]
            .map(|(name, access)| (name.to_owned(), access))
            .into(),
        connections: Some(ConnectionsGrant {
            describe: true,
            list: true,
            attributes: Some(Scope::Any),
            groups: groups.clone(),
        }),
        messaging: Some(MessagingGrant {
            send: Some(Scope::Any),
            broadcast: groups,
            describe: Some(Scope::Any),
            close: Some(Scope::Any),
        }),
        config: names(&["plan", "unset"]),
    }
}

pub(crate) fn own() -> Grants {
    let groups = patterns(&["lobby"]);
    Grants {
        connections: Some(ConnectionsGrant {
            attributes: Some(Scope::Own),
            groups: groups.clone(),
            ..ConnectionsGrant::default()
        }),
        messaging: Some(MessagingGrant {
            send: Some(Scope::Own),
            broadcast: groups,
            describe: Some(Scope::Own),
            close: Some(Scope::Own),
        }),
        ..any()
    }
}

fn patterns(texts: &[&str]) -> Vec<GroupPattern> {
    texts.iter().map(|text| GroupPattern::try_from((*text).to_owned()).unwrap()).collect()
}

fn names(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn release(app: App) -> Release {
    let artifacts = app.components.iter().map(|name| (name.clone(), Artifact::File(guests::artifact(name))));
    let artifacts = artifacts.collect();
    release_of(app, artifacts)
}

/// Returns a release with these artifacts.
pub(crate) fn release_of(app: App, artifacts: BTreeMap<String, Artifact>) -> Release {
    let digest = |artifact: &Artifact| match artifact {
        Artifact::File(path) => Digest::of(&std::fs::read(path).unwrap()),
        Artifact::Verified(artifact) => Digest::of(artifact.bytes()),
    };
    let components = artifacts.iter().map(|(name, artifact)| (name.as_str(), digest(artifact)));
    let id = ReleaseId::of(&app, components, &engine::id());
    Release { id, declared_app: app.clone(), app, artifacts }
}
