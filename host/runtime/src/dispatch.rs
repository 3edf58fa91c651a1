//! One event: bytes of a proxy event in, bytes of the integration's response out.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tidegate_capability::Deadline;
use tidegate_event::{FunctionError, Request, RouteKey, decode_request};
use tidegate_release::{Release, ReleaseId};
use tracing::Instrument as _;

use crate::engine::Engine;
use crate::error::Error;
use crate::lifecycle;
use crate::ports::Ports;
use crate::post_response::PostResponse;
use crate::router::Router;

/// Runs the events of one API on a release.
pub struct Host {
    pub(crate) engine: Engine,
    ports: RwLock<Arc<Ports>>,
    router: RwLock<Arc<Router>>,
}

/// A release that was replaced. It is freed once this is dropped and the last event that began on it has ended.
#[derive(Debug)]
#[must_use = "dropped while events are under way, it is freed by the last of them"]
pub struct Retired(Arc<Router>);

impl Retired {
    /// The release.
    #[must_use]
    pub fn release(&self) -> &ReleaseId {
        self.0.release()
    }

    /// Whether the last event that began on it has ended.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        // Nobody but the host gives it to events, and the host has another by now.
        Arc::strong_count(&self.0) == 1
    }
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
    /// Whether the guest trapped or missed its deadline. The response does not say so on `$connect`, where it is a status,
    /// nor on `$disconnect`, where it is ignored.
    pub trapped: bool,
}

impl Outcome {
    /// An event that no guest ran for.
    pub(crate) fn without_guest(response: Result<Vec<u8>, FunctionError>) -> Self {
        Self { response, after: PostResponse::nothing(), route: None, trapped: false }
    }
}

impl Host {
    /// Loads, checks and links a release.
    ///
    /// # Errors
    /// [`Error::Refused`] with everything that is wrong when a component imports what its route is not granted, is of
    /// another world or version, or does not fit its limits; [`Error::Artifact`] when an artifact does not load.
    pub fn new(engine: Engine, ports: Ports, release: Release) -> Result<Self, Error> {
        let router = Router::new(&engine, &release)?;
        Ok(Self { engine, ports: RwLock::new(Arc::new(ports)), router: RwLock::new(Arc::new(router)) })
    }

    /// The release that events begin on.
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        self.router().release().clone()
    }

    /// Loads, checks and links a release, and runs later events on it; an event under way ends on the one that it began
    /// on. It blocks while components are read and linked, milliseconds each.
    ///
    /// # Errors
    /// As [`new`](Self::new); events then go on as before.
    pub fn activate(&self, release: &Release) -> Result<Retired, Error> {
        let router = Arc::new(Router::new(&self.engine, release)?);
        let mut active = self.router.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Retired(std::mem::replace(&mut *active, router)))
    }

    /// The routes, for one event.
    pub(crate) fn router(&self) -> Arc<Router> {
        Arc::clone(&self.router.read().unwrap_or_else(PoisonError::into_inner))
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
                    lifecycle::function_error("Tidegate.InvalidEvent", format!("cannot decode the event: {error}"));
                return Outcome::without_guest(Err(error));
            }
        };
        self.run(request, deadline).await
    }

    /// Whether the next instance of a route waits for its event, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn is_prepared(&self, route_key: &str) -> bool {
        self.router().exact(route_key).is_some_and(|entry| entry.shelf.holds(&entry.route))
    }

    /// What [`dispatch`](Self::dispatch) does once the event is decoded, for the benchmarks of each stage.
    #[doc(hidden)]
    pub async fn run(&self, request: Request, deadline: Deadline) -> Outcome {
        // Off at the level `info`, where it would cost as much as decoding: lines that matter carry these fields themselves.
        let span = tracing::debug_span!(
            "event", requestId = %request.request_id, connectionId = %request.connection.id, route = %request.route_key
        );
        lifecycle::run(self, request, deadline).instrument(span).await
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("release", &self.release()).field("engine", &self.engine).finish_non_exhaustive()
    }
}
