//! What happens around a guest's call: the host registers, unregisters and cleans up, whatever the guest does.

use std::sync::Arc;

use tidegate_event::{
    Authorization, Connection, Event, FunctionError, Request, RequestId, RouteKey, Timestamp, encode_decision,
    encode_reply,
};
use tidegate_ports::Deadline;

use crate::bindings::exports::tidegate::route::connect_authorizer::Decision;
use crate::bindings::tidegate::route::types as wit;
use crate::convert;
use crate::dispatch::{Fault, Host, Outcome};
use crate::instance::{self, Instance, MARGIN, Used};
use crate::ports::Ports;
use crate::post_response::PostResponse;
use crate::reply;
use crate::routes::{Entry, Routes};
use crate::state::{Effects, EventTags};
use crate::trap::Failure;

/// How a guest's call ended: its reply, the failure that it means, or no answer at all.
type Called = Result<Result<wit::Reply, wit::Error>, Failure>;

/// What every event has.
struct Meta<'h> {
    host: &'h Host,
    /// The release that the event began on.
    router: &'h Routes,
    ports: Arc<Ports>,
    request_id: RequestId,
    route_key: RouteKey,
    received_at: Timestamp,
    connection: Connection,
    deadline: Deadline,
}

/// Runs one decoded event.
pub(crate) async fn run(host: &Host, router: &Routes, request: Request, deadline: Deadline) -> Outcome {
    let Request { request_id, route_key, received_at, connection, event, .. } = request;
    let meta = Meta { host, router, ports: host.ports(), request_id, route_key, received_at, connection, deadline };
    match event {
        Event::Connect(handshake) => connect(meta, wit::Event::Connect(convert::handshake(handshake))).await,
        Event::Message(message) => self::message(meta, wit::Event::Message(convert::message(message))).await,
        Event::Disconnect(closing) => disconnect(meta, wit::Event::Disconnect(convert::closing(closing))).await,
        Event::Authorize(authorization) => authorize(meta, authorization).await,
    }
}

/// Registers, so that the guest can join groups; unregisters unless the guest accepts.
async fn connect(meta: Meta<'_>, event: wit::Event) -> Outcome {
    let (host, ports, deadline) = (meta.host, Arc::clone(&meta.ports), meta.deadline);
    let (router, id) = (meta.router, meta.connection.id.clone());
    if let Err(error) = ports.registry.register(&meta.connection, deadline.earlier(MARGIN)).await {
        tracing::error!(
            requestId = %meta.request_id, connectionId = %id, release = %router.release(),
            "cannot register the connection: {error}"
        );
        // The row may be there all the same, whatever the last attempt was told; the socket will not.
        unregister(&ports, router, &id, deadline).await;
        return Outcome::without_guest(Ok(encode_reply(&reply::status(500))));
    }
    let Some(entry) = router.exact(meta.route_key.as_str()) else {
        return Outcome::without_guest(Ok(encode_reply(&reply::status(200))));
    };
    let (called, mut effects, used) = meta.call(entry, event, true).await;
    let fault = fault(&called);
    let reply = reply::to_connect(called);
    if !(200..=299).contains(&reply.status) {
        effects.deferred.clear();
        unregister(&ports, router, &id, deadline).await;
    }
    let after = PostResponse::new(&id, router.release(), effects, &ports).then_prepare(host, entry, used);
    Outcome { response: Ok(encode_reply(&reply)), after, route: Some(entry.key.clone()), active: None, fault }
}

async fn message(meta: Meta<'_>, event: wit::Event) -> Outcome {
    let (host, ports) = (meta.host, Arc::clone(&meta.ports));
    let (router, id) = (meta.router, meta.connection.id.clone());
    let Some(entry) = router.message(meta.route_key.as_str()) else {
        let error = function_error("Tidegate.NoRoute", format!("no route for the key `{}`", meta.route_key));
        tracing::error!(
            requestId = %meta.request_id, connectionId = %id, release = %meta.router.release(), "{}", error.error_message
        );
        return Outcome::without_guest(Err(error));
    };
    let request_id = meta.request_id.clone();
    let (called, effects, used) = meta.call(entry, event, false).await;
    let (mut fault, answered) = (fault(&called), called.is_ok());
    let response = reply::to_message(called, entry.route.response).map(|reply| encode_reply(&reply));
    if let (true, Err(error)) = (answered, &response) {
        fault = Some(Fault::Error);
        tracing::error!(
            requestId = %request_id, connectionId = %id, route = %entry.key, release = %router.release(),
            "{}", error.error_message
        );
    }
    let after = PostResponse::new(&id, router.release(), effects, &ports).then_prepare(host, entry, used);
    Outcome { response, after, route: Some(entry.key.clone()), active: None, fault }
}

/// Cleans up, also when the guest fails and when there is none.
async fn disconnect(meta: Meta<'_>, event: wit::Event) -> Outcome {
    let (host, ports, deadline) = (meta.host, Arc::clone(&meta.ports), meta.deadline);
    let (router, id) = (meta.router, meta.connection.id.clone());
    let mut outcome = Outcome::without_guest(Ok(encode_reply(&reply::status(200))));
    if let Some(entry) = router.exact(meta.route_key.as_str()) {
        // API Gateway ignores the answer; a failure is in the log already.
        let (called, effects, used) = meta.call(entry, event, false).await;
        outcome.after = PostResponse::new(&id, router.release(), effects, &ports).then_prepare(host, entry, used);
        outcome.route = Some(entry.key.clone());
        outcome.fault = fault(&called);
    }
    unregister(&ports, router, &id, deadline).await;
    outcome
}

async fn authorize(meta: Meta<'_>, authorization: Authorization) -> Outcome {
    let host = meta.host;
    let id = meta.connection.id.clone();
    let Some(route) = meta.router.authorizer() else {
        let error = function_error("Tidegate.NoAuthorizer", "the release has no authorizer".to_owned());
        tracing::error!(
            requestId = %meta.request_id, connectionId = %id, release = %meta.router.release(), "{}", error.error_message
        );
        return Outcome::without_guest(Err(error));
    };
    let Authorization { method_arn, handshake, .. } = authorization;
    let tags = meta.tags(&meta.route_key);
    let event = instance::Event { tags: tags.clone(), connecting: false, deadline: meta.deadline };
    let decided = match Instance::new(&host.engine, route, None, &meta.ports, event).await {
        Ok(mut instance) => {
            let connection = convert::unauthorized_connection(meta.connection);
            instance.authorize(&connection, &convert::handshake(handshake)).await
        }
        Err(failure) => Err(failure),
    };
    let (mut fault, answered) = (fault(&decided), decided.is_ok());
    let response = match decided {
        Ok(Ok(decision)) => encode_decision(&convert::decision(decision), &method_arn),
        Ok(Err(error)) => Err(reply::guest_error(&error)),
        Err(failure) => {
            failure.log(&tags);
            Err(failure.into_function_error())
        }
    };
    if let (true, Err(error)) = (answered, &response)
        && !error.is_unauthorized()
    {
        fault = Some(Fault::Error);
        tracing::error!(
            requestId = %tags.request_id, connectionId = %id, release = %tags.release, "{}", error.error_message
        );
    }
    Outcome { response, after: PostResponse::nothing(), route: Some(meta.route_key), active: None, fault }
}

impl Meta<'_> {
    fn tags(&self, key: &RouteKey) -> EventTags {
        EventTags {
            request_id: self.request_id.clone(),
            connection_id: self.connection.id.clone(),
            route: key.clone(),
            release: self.router.release().clone(),
        }
    }

    /// Calls the route's handler in a fresh instance; a call that fails or does not answer is logged here.
    async fn call(self, entry: &Entry, event: wit::Event, connecting: bool) -> (Called, Effects, Option<Used>) {
        let tags = self.tags(&entry.key);
        let Self { host, ports, request_id, route_key, received_at, connection, deadline, .. } = self;
        let request = wit::Request {
            request_id: request_id.into(),
            route_key: route_key.into(),
            received_at: received_at.millis(),
            connection: convert::connection(connection),
            event,
        };
        let event = instance::Event { tags: tags.clone(), connecting, deadline };
        match Instance::new(&host.engine, &entry.route, Some(&entry.warm_pool), &ports, event).await {
            Ok(mut instance) => {
                let called = instance.handle(&request).await;
                match &called {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => reply::log_error(error, &tags),
                    Err(failure) => failure.log(&tags),
                }
                let (effects, used) = instance.close();
                (called, effects, Some(used))
            }
            Err(failure) => {
                failure.log(&tags);
                (Err(failure), Effects::default(), None)
            }
        }
    }
}

async fn unregister(ports: &Ports, router: &Routes, id: &tidegate_event::ConnectionId, deadline: Deadline) {
    if let Err(error) = ports.registry.unregister(id, deadline).await {
        // The row expires by itself; until then the connection looks open, and messages to it find it gone.
        tracing::warn!(connectionId = %id, release = %router.release(), "cannot unregister the connection: {error}");
    }
}

/// What the release is to blame for. That no instance was free is the host's doing.
fn fault<T: Answer>(called: &Result<Result<T, wit::Error>, Failure>) -> Option<Fault> {
    match called {
        Err(Failure::Trap { .. }) => Some(Fault::Trap),
        Err(Failure::Timeout(_)) => Some(Fault::Timeout),
        Err(Failure::Busy) => None,
        Ok(Ok(answer)) => (answer.status() >= 500).then_some(Fault::Error),
        Ok(Err(error)) => (error.status >= 500).then_some(Fault::Error),
    }
}

/// What a guest answers.
trait Answer {
    /// Its HTTP status.
    fn status(&self) -> u16;
}

impl Answer for wit::Reply {
    fn status(&self) -> u16 {
        self.status
    }
}

impl Answer for Decision {
    /// Whatever it decides, it did decide.
    fn status(&self) -> u16 {
        200
    }
}

pub(crate) fn function_error(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message }
}
