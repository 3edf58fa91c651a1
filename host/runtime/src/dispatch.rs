//! One event: bytes of a proxy event in, bytes of the integration's response out.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tidegate_event::{ConnectionId, FunctionError, Request, RouteKey, decode_request};
use tidegate_ports::Deadline;
use tidegate_release::rollout::Canary;
use tidegate_release::{Release, ReleaseId};
use tracing::Instrument as _;

use crate::engine::Engine;
use crate::error::Error;
use crate::handlers;
use crate::ports::Ports;
use crate::post_response::PostResponse;
use crate::rollout::{ACTIVE_RELEASE, ActiveRelease, LinkedRelease, Retired, Track, Tracks};
use crate::routes::Routes;

/// Runs the events of one API on a release, or on two: a canary takes some of the connections.
pub struct Host {
    pub(crate) engine: Engine,
    ports: RwLock<Arc<Ports>>,
    tracks: RwLock<Tracks>,
}

/// How one event ended.
#[derive(Debug)]
pub struct Outcome {
    /// The JSON of the integration's or the authorizer's response, or the function error that is reported instead.
    pub response: Result<Vec<u8>, FunctionError>,
    /// What is done once the response is posted.
    pub after: PostResponse,
    /// The key of the route that ran, as the release names it; none when none did.
    pub route: Option<RouteKey>,
    /// What the event ran on; none when it could not be decoded.
    pub active: Option<ActiveRelease>,
    /// What the release is to blame for. The response does not say so on `$connect`, where it is a status, nor on
    /// `$disconnect`, where it is ignored.
    pub fault: Option<Fault>,
}

/// What a release is to blame for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The guest trapped.
    Trap,
    /// The guest missed its deadline.
    Timeout,
    /// The guest failed with a status from 500, or answered what means nothing.
    Error,
}

impl Outcome {
    /// An event that no guest ran for.
    pub(crate) fn without_guest(response: Result<Vec<u8>, FunctionError>) -> Self {
        Self { response, after: PostResponse::nothing(), route: None, active: None, fault: None }
    }
}

impl Host {
    /// Loads, checks and links a release.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is wrong when a component imports what its route is not granted, is of
    /// another world or version, or does not fit its limits; [`Error::Artifact`] when an artifact does not load.
    pub fn new(engine: Engine, ports: Ports, release: Release) -> Result<Self, Error> {
        let stable = LinkedRelease(Arc::new(Routes::new(&engine, &release)?));
        Ok(Self { engine, ports: RwLock::new(Arc::new(ports)), tracks: RwLock::new(Tracks::stable(stable)) })
    }

    /// The release that events begin on, but for those of a canary.
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        self.read_tracks().stable.release().clone()
    }

    /// The releases that events begin on.
    #[must_use]
    pub fn tracks(&self) -> Tracks {
        self.read_tracks().clone()
    }

    /// Loads, checks and links a release for this host. It blocks while components are read and linked, milliseconds each.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn link(&self, release: &Release) -> Result<LinkedRelease, Error> {
        Ok(LinkedRelease(Arc::new(Routes::new(&self.engine, release)?)))
    }

    /// Runs later events on these releases, in one step; an event under way ends on the one that it began on. Answers those
    /// that no event begins on any more.
    pub fn swap_tracks(&self, tracks: Tracks) -> Vec<Retired> {
        let mut serving = self.tracks.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *serving, tracks.clone());
        drop(serving);
        old.retire(&tracks)
    }

    /// The canary that runs, and which connections it takes.
    #[must_use]
    pub fn canary(&self) -> Option<Canary> {
        self.read_tracks().canary.as_ref().map(|(canary, _)| canary.clone())
    }

    /// The routes for one event of a connection.
    pub(crate) fn choose(&self, connection: &ConnectionId) -> (Arc<Routes>, Track) {
        let tracks = self.read_tracks();
        let (router, track) = tracks.choose(connection);
        (Arc::clone(router), track)
    }

    fn read_tracks(&self) -> RwLockReadGuard<'_, Tracks> {
        self.tracks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the configuration values. An event under way keeps those that it began with.
    pub fn set_config(&self, values: BTreeMap<String, String>) {
        let mut ports = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        *ports = Arc::new(Ports { config: Arc::new(values), ..Ports::clone(&ports) });
    }

    /// The ports, for one event.
    pub(crate) fn ports(&self) -> Arc<Ports> {
        Arc::clone(&self.ports.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs one event. `deadline` is by when its response must be posted: Lambda's own, or the gateway's 29 s; a guest
    /// ends [`MARGIN`](crate::instance::MARGIN) before it, or at its route's time limit.
    pub async fn dispatch(&self, event: &[u8], deadline: Deadline) -> Outcome {
        let request = match decode_request(event) {
            Ok(request) => request,
            Err(error) => {
                tracing::error!("cannot decode the event: {error}");
                let error =
                    handlers::function_error("Tidegate.InvalidEvent", format!("cannot decode the event: {error}"));
                return Outcome::without_guest(Err(error));
            }
        };
        self.run(request, deadline).await
    }

    /// Whether the next instance of a route waits for its event, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn is_warm(&self, route_key: &str) -> bool {
        let router = Arc::clone(&self.read_tracks().stable.0);
        router.exact(route_key).is_some_and(|entry| entry.warm_pool.holds(&entry.route))
    }

    /// What [`dispatch`](Self::dispatch) does once the event is decoded, for the benchmarks of each stage.
    #[doc(hidden)]
    pub async fn run(&self, request: Request, deadline: Deadline) -> Outcome {
        // Held until the event has ended.
        let (router, track) = self.choose(&request.connection.id);
        let active = ActiveRelease { release: router.release().clone(), track };
        // Off at the level `info`, where it would cost as much as decoding: lines that matter carry these fields themselves.
        let span = tracing::debug_span!(
            "event", requestId = %request.request_id, connectionId = %request.connection.id, route = %request.route_key,
            release = %active.release, track = %track
        );
        let event = handlers::run(self, &router, request, deadline).instrument(span);
        let mut outcome = ACTIVE_RELEASE.scope(active.clone(), event).await;
        outcome.active = Some(active);
        outcome
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("release", &self.release()).field("engine", &self.engine).finish_non_exhaustive()
    }
}
