//! Converts a guest's answer to the integration's response.

use std::ops::RangeInclusive;

use tidegate_event::{FunctionError, MAX_PAYLOAD_BYTES, Payload, Reply};

use crate::bindings::tidegate::route::types as wit;
use crate::context::{EventContext, log_event};
use crate::convert;
use crate::guest_log::excerpt;
use crate::outcome::function_error;
use crate::trap::Failure;

/// The only header that API Gateway accepts from a `$connect` integration.
const SUB_PROTOCOL: &str = "sec-websocket-protocol";

/// The statuses of a reply that refuses a `$connect`.
const REFUSALS: RangeInclusive<u16> = 300..=599;
/// The statuses of a guest's own error. A 2xx status would look like success.
const FAILURES: RangeInclusive<u16> = 400..=599;

type Called = Result<Result<wit::Reply, wit::Error>, Failure>;

/// Returns a reply that consists of a status only.
pub(crate) fn status(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: None }
}

/// Returns the response to `$connect`: a status, and the sub-protocol if the connection is accepted. A missing or
/// invalid answer becomes status 500.
pub(crate) fn to_connect(called: Called) -> Reply {
    match called {
        Ok(Ok(reply)) if (200..=299).contains(&reply.status) => {
            let chosen = reply.headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(SUB_PROTOCOL));
            Reply { headers: chosen.into_iter().collect(), ..status(reply.status) }
        }
        Ok(Ok(reply)) if REFUSALS.contains(&reply.status) => status(reply.status),
        Ok(Err(error)) if FAILURES.contains(&error.status) => status(error.status),
        _ => status(500),
    }
}

/// Returns the response to a message. The body, or the guest's own error, reaches the client on two-way routes only.
pub(crate) fn to_message(called: Called, two_way: bool) -> Result<Reply, FunctionError> {
    let (code, body) = match called {
        Ok(Ok(reply)) => (reply.status, if two_way { reply.body.map(convert::payload) } else { None }),
        Ok(Err(error)) if !FAILURES.contains(&error.status) => {
            return Err(invalid(format!("the error's status {} is not between 400 and 599", error.status)));
        }
        Ok(Err(error)) => {
            let text = || Payload::Text(serde_json::json!({ "message": error.message }).to_string());
            (error.status, two_way.then(text))
        }
        Err(failure) => return Err(failure.into_function_error()),
    };
    if !(200..=599).contains(&code) {
        return Err(invalid(format!("the reply's status {code} is not between 200 and 599")));
    }
    match body.as_ref().map_or(0, Payload::len) {
        length if length > MAX_PAYLOAD_BYTES => {
            Err(invalid(format!("the reply's body has {length} bytes, above the limit of {MAX_PAYLOAD_BYTES}")))
        }
        _ => Ok(Reply { body, ..status(code) }),
    }
}

/// Logs a guest's own error, because a one-way route does not show it to the client. Statuses below 500 are the
/// client's fault.
pub(crate) fn log_error(error: &wit::Error, context: &EventContext) {
    let status = error.status;
    let message = excerpt(&error.message);
    if (400..=499).contains(&status) {
        log_event!(WARN, context, "the route failed with status {status}: {message}");
    } else {
        log_event!(ERROR, context, "the route failed with status {status}: {message}");
    }
}

/// Returns the function error of an authorizer that failed. The client sees status 500.
pub(crate) fn guest_error(error: &wit::Error) -> FunctionError {
    function_error(
        "Tidegate.GuestError",
        format!("the authorizer failed with status {}: {}", error.status, excerpt(&error.message)),
    )
}

fn invalid(message: String) -> FunctionError {
    function_error("Tidegate.InvalidReply", message)
}
