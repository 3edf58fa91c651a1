//! The outcome of one event.

use tidegate_event::{FunctionError, RouteKey};

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
        Self { response, after: PostResponse::nothing(), route: None, active: None, fault: None }
    }
}

pub(crate) fn function_error(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), error_message: message }
}
