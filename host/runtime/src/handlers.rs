//! The host's work around a guest's call. It registers, unregisters and cleans up even if the guest fails.

use std::sync::Arc;
use std::time::Duration;

use tidegate_app::Limits;
use tidegate_event::{
    Authorization, Connection, Event, Request, RequestId, RouteKey, Timestamp, encode_decision, encode_reply,
};
use tidegate_ports::Deadline;
use tokio_util::sync::CancellationToken;

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types as wit;
use crate::context::{EventContext, log_event};
use crate::convert;
use crate::engine::Engine;
use crate::instance::{Ended, Instance, InstanceEvent, MARGIN, UsedStore};
use crate::outcome::{Fault, Outcome, function_error};
use crate::ports::Ports;
use crate::post_response::PostResponse;
use crate::reply;
use crate::routes::{Entry, Routes};
use crate::state::Effects;
use crate::trap::Failure;

/// The least time for registering a connection: that of one attempt at a slow database. The time limit of a route may
/// be a few milliseconds.
const MIN_REGISTRATION: Duration = Duration::from_secs(1);

/// The result of a guest's call: its reply, its own error, or no answer.
type Called = Result<Result<wit::Reply, wit::Error>, Failure>;

/// The parts of the host that one event uses.
pub(crate) struct Resources<'h> {
    pub(crate) engine: &'h Engine,
    pub(crate) ports: Arc<Ports>,
    /// The routes of the release that the event runs on.
    pub(crate) routes: &'h Routes,
    /// The time by which the response must be posted.
    pub(crate) deadline: Deadline,
    /// Cancelled when the client has left. An event that has not begun is then dropped, except `$disconnect`.
    pub(crate) client: Option<CancellationToken>,
}

/// The parts of a request that events of every kind have.
struct Meta {
    context: Arc<EventContext>,
    request_id: RequestId,
    route_key: RouteKey,
    received_at: Timestamp,
    connection: Connection,
}

/// Runs one decoded event.
pub(crate) async fn run(resources: Resources<'_>, request: Request) -> Outcome {
    let Request { request_id, route_key, received_at, connection, event, .. } = request;
    let entry = match &event {
        Event::Connect(_) | Event::Disconnect(_) => resources.routes.exact(route_key.as_str()),
        Event::Message(_) => resources.routes.message(route_key.as_str()),
        Event::Authorize(_) => None,
    };
    let context = Arc::new(EventContext {
        request_id: request_id.clone(),
        connection_id: connection.id.clone(),
        route: entry.map_or(&route_key, |entry| &entry.key).clone(),
        release: resources.routes.release().clone(),
    });
    let meta = Meta { context, request_id, route_key, received_at, connection };
    match event {
        Event::Connect(handshake) => {
            connect(resources, entry, meta, wit::Event::Connect(convert::handshake(handshake))).await
        }
        Event::Message(message) => {
            self::message(resources, entry, meta, wit::Event::Message(convert::message(message))).await
        }
        Event::Disconnect(closing) => {
            disconnect(resources, entry, meta, wit::Event::Disconnect(convert::closing(closing))).await
        }
        Event::Authorize(authorization) => authorize(resources, meta, authorization).await,
    }
}

/// Registers the connection, so that the guest can join groups, and unregisters it unless the guest accepts. A database
/// that fails keeps the client waiting for the time limit of the route at most, and not until the deadline.
async fn connect(resources: Resources<'_>, entry: Option<&Entry>, meta: Meta, event: wit::Event) -> Outcome {
    let context = Arc::clone(&meta.context);
    let time = entry.map_or(Limits::default().time, |entry| entry.route.permissions.limits.time);
    let register_by = resources.deadline.earlier(MARGIN).min(Deadline::after(time.max(MIN_REGISTRATION)));
    if let Err(reason) = register(&resources, &meta.connection, register_by).await {
        log_event!(ERROR, &context, "cannot register the connection: {reason}");
        // The write may have succeeded although its response was lost, and the socket will not open.
        let deadline = resources.deadline.min(Deadline::after(MARGIN.max(register_by.remaining())));
        unregister(&resources, &context, deadline).await;
        return Outcome::without_guest(Ok(encode_reply(&reply::status(500))));
    }
    let Some(entry) = entry else {
        return Outcome::without_guest(Ok(encode_reply(&reply::status(200))));
    };
    let (called, mut effects, used) = call(&resources, entry, meta, event, true).await;
    let mut fault = fault(&called);
    let reply = reply::to_connect(called).unwrap_or_else(|problem| {
        fault = Some(Fault::Error);
        log_event!(
            ERROR,
            &context,
            hint = "accept a connection with status 200; the host itself answers 101 when the socket opens",
            "cannot use the answer of `$connect`, so the client receives status 500: {problem}"
        );
        reply::status(500)
    });
    if !(200..=299).contains(&reply.status) {
        effects.deferred.clear();
        unregister(&resources, &context, resources.deadline.min(Deadline::after(time.max(MIN_REGISTRATION)))).await;
    }
    let after = after(&resources, entry, &context, effects, used);
    Outcome { after, route: Some(entry.key.clone()), fault, ..Outcome::without_guest(Ok(encode_reply(&reply))) }
}

async fn message(resources: Resources<'_>, entry: Option<&Entry>, meta: Meta, event: wit::Event) -> Outcome {
    let context = Arc::clone(&meta.context);
    let Some(entry) = entry else {
        let error = function_error("Tidegate.NoRoute", format!("no route for the key `{}`", meta.route_key));
        log_event!(ERROR, &context, "{}", error.error_message);
        return Outcome::without_guest(Err(error));
    };
    let (called, effects, used) = call(&resources, entry, meta, event, false).await;
    let mut fault = fault(&called);
    let answered = called.is_ok();
    let response = reply::to_message(called, entry.route.response, &context).map(|reply| encode_reply(&reply));
    if let (true, Err(error)) = (answered, &response) {
        fault = Some(Fault::Error);
        log_event!(ERROR, &context, "{}", error.error_message);
    }
    let after = after(&resources, entry, &context, effects, used);
    Outcome { after, route: Some(entry.key.clone()), fault, ..Outcome::without_guest(response) }
}

/// Unregisters the connection, even if the guest fails or the release has no `$disconnect` route.
async fn disconnect(mut resources: Resources<'_>, entry: Option<&Entry>, meta: Meta, event: wit::Event) -> Outcome {
    let context = Arc::clone(&meta.context);
    let mut outcome = Outcome::without_guest(Ok(encode_reply(&reply::status(200))));
    resources.client = None;
    if let Some(entry) = entry {
        // API Gateway ignores the answer, and `call` has logged a failure.
        let (called, effects, used) = call(&resources, entry, meta, event, false).await;
        outcome.after = after(&resources, entry, &context, effects, used);
        outcome.route = Some(entry.key.clone());
        outcome.fault = fault(&called);
    }
    unregister(&resources, &context, resources.deadline).await;
    outcome
}

async fn authorize(resources: Resources<'_>, meta: Meta, authorization: Authorization) -> Outcome {
    let context = meta.context;
    let Some(route) = resources.routes.authorizer() else {
        let error = function_error("Tidegate.NoAuthorizer", "the release has no authorizer".to_owned());
        log_event!(ERROR, &context, "{}", error.error_message);
        return Outcome::without_guest(Err(error));
    };
    let Authorization { method_arn, handshake, .. } = authorization;
    let Resources { engine, ports, deadline, client, .. } = resources;
    let event = InstanceEvent { context: Arc::clone(&context), ports, connecting: false, deadline, client };
    let decided = match Instance::new(engine, route, None, event).await {
        Ok(instance) => {
            let connection = convert::unauthorized_connection(meta.connection);
            instance.authorize(connection, convert::handshake(handshake)).await.called
        }
        Err(failure) => Err(failure),
    };
    let mut fault = fault(&decided);
    let answered = decided.is_ok();
    let response = match decided {
        Ok(Ok(decision)) => encode_decision(&convert::decision(decision), &method_arn),
        Ok(Err(error)) => Err(reply::guest_error(&error)),
        Err(failure) => {
            failure.log(&context);
            Err(failure.into_function_error())
        }
    };
    if let (true, Err(error)) = (answered, &response)
        && !error.is_unauthorized()
    {
        fault = Some(Fault::Error);
        log_event!(ERROR, &context, "{}", error.error_message);
    }
    Outcome { route: Some(meta.route_key), fault, ..Outcome::without_guest(response) }
}

/// Calls the route's handler in a fresh instance, and logs a call that fails or ends without an answer.
async fn call(
    resources: &Resources<'_>,
    entry: &Entry,
    meta: Meta,
    event: wit::Event,
    connecting: bool,
) -> (Called, Effects, Option<UsedStore>) {
    let Meta { context, request_id, route_key, received_at, connection } = meta;
    let request = wit::Request {
        request_id: request_id.into(),
        route_key: route_key.into(),
        received_at: received_at.millis(),
        connection: convert::connection(connection),
        event,
    };
    let event = InstanceEvent {
        context: Arc::clone(&context),
        ports: Arc::clone(&resources.ports),
        connecting,
        deadline: resources.deadline,
        client: resources.client.clone(),
    };
    match Instance::new(resources.engine, &entry.route, Some(&entry.warm_pool), event).await {
        Ok(instance) => {
            let Ended { called, effects, used } = instance.handle(request).await;
            match &called {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => reply::log_error(error, &context),
                Err(failure) => failure.log(&context),
            }
            (called, effects, used)
        }
        Err(failure) => {
            failure.log(&context);
            (Err(failure), Effects::default(), None)
        }
    }
}

fn after(
    resources: &Resources<'_>,
    entry: &Entry,
    context: &Arc<EventContext>,
    effects: Effects,
    used: Option<UsedStore>,
) -> PostResponse {
    let Resources { engine, ports, .. } = resources;
    PostResponse::new(engine, context, effects, ports).then_warm(engine, &entry.route, &entry.warm_pool, ports, used)
}

async fn register(resources: &Resources<'_>, connection: &Connection, deadline: Deadline) -> Result<(), String> {
    let Some(registry) = resources.ports.registry() else {
        return Err("this function runs the authorizer only and has no registry".to_owned());
    };
    let Ok(_slot) = resources.routes.database_calls().slot(&connection.id, deadline, None).await else {
        return Err("the database is busy".to_owned());
    };
    // A task that yields runs again after the executor has looked for events of sockets. A database in memory answers
    // on this thread, so thousands of clients that come at once would otherwise run their calls one after the other.
    // With the slot held meanwhile, as many calls run in between as there are slots.
    tokio::task::yield_now().await;
    registry.register(connection, deadline).await.map_err(|error| error.to_string())
}

async fn unregister(resources: &Resources<'_>, context: &EventContext, deadline: Deadline) {
    let Some(registry) = resources.ports.registry() else { return };
    let calls = resources.routes.database_calls();
    // At the deadline, the registry refuses the call.
    let _slot = calls.slot(&context.connection_id, deadline, None).await;
    if let Err(error) = registry.unregister(&context.connection_id, deadline).await {
        // The row expires by itself. Until then the connection looks open, and messages to it find it gone.
        log_event!(WARN, context, "cannot unregister the connection: {error}");
    }
}

/// Returns the fault of the release. A host without a free instance or without memory is not the
/// release's fault.
fn fault<T: Answer>(called: &Result<Result<T, wit::Error>, Failure>) -> Option<Fault> {
    match called {
        Err(Failure::Trap { .. }) => Some(Fault::Trap),
        Err(Failure::Timeout(_) | Failure::CpuTime(_)) => Some(Fault::Timeout),
        Err(Failure::Busy | Failure::Abandoned | Failure::OutOfMemory(_)) => None,
        Ok(Ok(answer)) => (answer.status() >= 500).then_some(Fault::Error),
        Ok(Err(error)) => (error.status >= 500).then_some(Fault::Error),
    }
}

/// A guest's answer.
trait Answer {
    /// Returns the HTTP status.
    fn status(&self) -> u16;
}

impl Answer for wit::Reply {
    fn status(&self) -> u16 {
        self.status
    }
}

impl Answer for Decision {
    /// Returns 200: any decision is a success.
    fn status(&self) -> u16 {
        200
    }
}
