//! The outcome of one event.

use std::fmt;

use tidegate_event::{ConnectionId, Event, FunctionError, RouteKey};

use crate::post_response::PostResponse;
use crate::rollout::tracks::ActiveRelease;

/// The outcome of one event.
#[derive(Debug)]
pub struct Outcome {
    /// The JSON of the integration's or the authorizer's response, or the function error to report instead.
    pub response: Result<Vec<u8>, FunctionError>,
    /// The work to do once the response is posted.
    pub after: PostResponse,
    /// The key of the route that ran, as the release names it, or `None` if no route ran.
    pub route: Option<RouteKey>,
    /// The release that the event ran on, or `None` if the event could not be decoded.
    pub active: Option<ActiveRelease>,
    /// The failure that the release is responsible for. The response does not always show it: on `$connect` it is a
    /// status, and the response to `$disconnect` is ignored.
    pub fault: Option<Fault>,
    /// The connection of the event, or `None` if the event could not be decoded.
    pub connection: Option<ConnectionId>,
    /// The kind of the event and the route that ran, or `None` if no guest was called.
    pub source: Option<EventSource>,
}

/// The events that one handler of a release gets: those of one kind on one route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventSource {
    /// The kind of the event.
    pub kind: EventKind,
    /// The key of the route, or `$connect` for the authorizer.
    pub route: RouteKey,
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A handshake, for the authorizer.
    Authorize,
    /// A handshake, for `$connect`.
    Connect,
    /// A message of a client.
    Message,
    /// The end of a connection.
    Disconnect,
}

impl fmt::Display for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EventKind::Authorize => f.write_str("the authorizer"),
            _ => write!(f, "the route `{}`", self.route),
        }
    }
}

impl EventKind {
    /// Returns the kind of an event.
    pub(crate) fn of(event: &Event) -> Self {
        match event {
            Event::Authorize(_) => Self::Authorize,
            Event::Connect(_) => Self::Connect,
            Event::Message(_) => Self::Message,
            Event::Disconnect(_) => Self::Disconnect,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorize => "authorize",
            Self::Connect => "connect",
            Self::Message => "message",
            Self::Disconnect => "disconnect",
        })
    }
}

/// A failure that the release is responsible for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The guest trapped.
    Trap,
    /// The guest missed its deadline.
    Timeout,
    /// The guest failed with a status of 500 or above, or its answer was invalid.
    Error,
}

impl Outcome {
    /// Returns the outcome of an event that ran no guest.
    pub(crate) fn without_guest(response: Result<Vec<u8>, FunctionError>) -> Self {
        Self {
            response,
            after: PostResponse::nothing(),
            route: None,
            active: None,
            fault: None,
            connection: None,
            source: None,
        }
    }
}

pub(crate) fn function_error(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message }
}
