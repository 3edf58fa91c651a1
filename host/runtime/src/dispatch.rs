//! One event: the bytes of a proxy event in, the bytes of the integration's response out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tidegate_diagnostic::Code;
use tidegate_event::{ConnectionId, DecodeError, Decoded, Request, decode_event};
use tidegate_ports::Deadline;
use tidegate_release::rollout::Canary;
use tidegate_release::{Release, ReleaseId};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::engine::Engine;
use crate::error::Error;
use crate::handlers::{self, Resources};
use crate::outcome::{EventKind, EventSource, Outcome, function_error};
use crate::ports::Ports;
use crate::rollout::tracks::{ActiveRelease, LinkedRelease, Retired, SharedRoutes, Track, Tracks};
use crate::routes::Routes;

/// Runs the events of one API on a stable release, and on a canary for some of the connections.
pub struct Host {
    engine: Engine,
    ports: RwLock<Arc<Ports>>,
    tracks: RwLock<Tracks>,
}

impl Host {
    /// Loads, checks and links a release, and returns a host that runs it.
    ///
    /// # Errors
    /// [`Error::Refused`] with every problem if a component imports an interface that none of its uses is granted,
    /// belongs to another world or version, or does not fit its limits. [`Error::Artifact`] if an artifact does not
    /// load.
    pub fn new(engine: Engine, ports: Ports, release: Release) -> Result<Self, Error> {
        let stable = LinkedRelease::new(Routes::new(&engine, &release)?);
        Ok(Self { engine, ports: RwLock::new(Arc::new(ports)), tracks: RwLock::new(Tracks::stable(stable)) })
    }

    /// Returns the id of the stable release.
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        self.read_tracks().stable.release().clone()
    }

    /// Returns the releases that new events run on.
    #[must_use]
    pub fn tracks(&self) -> Tracks {
        self.read_tracks().clone()
    }

    /// Returns the running canary, with the rule that assigns connections to it.
    #[must_use]
    pub fn canary(&self) -> Option<Canary> {
        self.read_tracks().canary.as_ref().map(|(canary, _)| canary.clone())
    }

    /// Loads, checks and links a release for this host. Blocks for some milliseconds.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    pub fn link(&self, release: &Release) -> Result<LinkedRelease, Error> {
        Ok(LinkedRelease::new(Routes::new(&self.engine, release)?))
    }

    /// Switches later events to these releases atomically. An event in flight ends on the release that it began on.
    /// Returns the releases that new events no longer run on.
    pub fn swap_tracks(&self, tracks: Tracks) -> Vec<Retired> {
        let mut current = self.tracks.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, tracks.clone());
        drop(current);
        old.retire(&tracks)
    }

    /// Replaces the configuration values. An event in flight keeps the values that it began with.
    pub fn set_config(&self, values: BTreeMap<String, String>) {
        let mut ports = self.ports.write().unwrap_or_else(PoisonError::into_inner);
        *ports = Arc::new(Ports { config: Arc::new(values), ..Ports::clone(&ports) });
    }

    /// Runs one event. Its response must be posted by `deadline`: Lambda's own, or 29 s after the gateway sent the
    /// event. The guest ends [`MARGIN`](crate::instance::MARGIN) before it, or at the time limit of its route.
    pub async fn dispatch(&self, event: &[u8], deadline: Deadline) -> Outcome {
        self.dispatch_observed(event, deadline, |_| ()).await
    }

    /// Runs one event of a client as [`dispatch`](Self::dispatch) does. If `client` is cancelled before the event
    /// begins, the event is dropped, unless it is a `$disconnect`.
    pub async fn dispatch_for(&self, event: &[u8], deadline: Deadline, client: CancellationToken) -> Outcome {
        match decode(event) {
            Ok(request) => self.run_observed(request, deadline, Some(client), |_| ()).await,
            Err(error) => invalid_event(&error),
        }
    }

    /// Runs one event as [`dispatch`](Self::dispatch) does, and calls `on_release` with the release that the event
    /// runs on before the guest runs.
    pub async fn dispatch_observed(
        &self,
        event: &[u8],
        deadline: Deadline,
        on_release: impl FnOnce(&ActiveRelease),
    ) -> Outcome {
        match decode(event) {
            Ok(request) => self.run_observed(request, deadline, None, on_release).await,
            Err(error) => invalid_event(&error),
        }
    }

    /// Returns true if the route has a warm instance. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn is_warm(&self, route_key: &str) -> bool {
        let routes = Arc::clone(&self.read_tracks().stable.0);
        routes.exact(route_key).is_some_and(|entry| entry.warm_pool.holds(&entry.route))
    }

    /// Runs a decoded event. For the benchmarks of each stage.
    #[doc(hidden)]
    pub async fn run(&self, request: Request, deadline: Deadline) -> Outcome {
        self.run_observed(request, deadline, None, |_| ()).await
    }

    async fn run_observed(
        &self,
        request: Request,
        deadline: Deadline,
        client: Option<CancellationToken>,
        on_release: impl FnOnce(&ActiveRelease),
    ) -> Outcome {
        // Held until the event has ended.
        let (routes, track) = self.choose(&request.connection.id);
        let active = ActiveRelease { release: routes.release().clone(), track };
        on_release(&active);
        // A span costs as much as decoding the event, so it exists at the level `debug` only. Log lines carry these
        // fields themselves.
        let span = tracing::debug_span!(
            "event", requestId = %request.request_id, connectionId = %request.connection.id, route = %request.route_key,
            release = %active.release, track = %track
        );
        let resources = Resources { engine: &self.engine, ports: self.ports(), routes: &routes, deadline, client };
        let (kind, connection) = (EventKind::of(&request.event), request.connection.id.clone());
        let mut outcome = handlers::run(resources, request).instrument(span).await;
        outcome.active = Some(active);
        outcome.source = outcome.route.clone().map(|route| EventSource { kind, route });
        outcome.connection = Some(connection);
        outcome
    }

    fn choose(&self, connection: &ConnectionId) -> (Arc<SharedRoutes>, Track) {
        let tracks = self.read_tracks();
        let (routes, track) = tracks.choose(connection);
        (Arc::clone(routes), track)
    }

    fn ports(&self) -> Arc<Ports> {
        Arc::clone(&self.ports.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_tracks(&self) -> RwLockReadGuard<'_, Tracks> {
        self.tracks.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decodes an event, and logs the members that were ignored.
fn decode(event: &[u8]) -> Result<Request, DecodeError> {
    let Decoded { request, ignored } = decode_event(event)?;
    if !ignored.is_empty() {
        tracing::warn!(
            code = Code::EventMemberIgnored.as_str(),
            requestId = %request.request_id,
            connectionId = %request.connection.id,
            members = ignored.join(", "),
            "ignored optional members of the event, because their values have the wrong type"
        );
    }
    Ok(request)
}

fn invalid_event(error: &DecodeError) -> Outcome {
    tracing::error!("cannot decode the event: {error}");
    Outcome::without_guest(Err(function_error("Tidegate.InvalidEvent", format!("cannot decode the event: {error}"))))
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("release", &self.release()).field("engine", &self.engine).finish_non_exhaustive()
    }
}
