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

/// The maximum length of a sub-protocol, in bytes. A client's handshake, which offers it, is not longer.
const MAX_SUB_PROTOCOL_BYTES: usize = 8 << 10;
/// The text of a guest's own error with a status of 500 or above, for clients. It is API Gateway's. The guest's text
/// may name internals, and is in the log.
const INTERNAL: &str = "Internal server error";
/// The body of an error without its text.
const EMPTY_BODY: &str = r#"{"message":""}"#;

/// The statuses of a reply that refuses a `$connect`.
const REFUSALS: RangeInclusive<u16> = 300..=599;
/// The statuses of a guest's own error. A 2xx status would look like success.
const FAILURES: RangeInclusive<u16> = 400..=599;

type Called = Result<Result<wit::Reply, wit::Error>, Failure>;

/// Returns a reply that consists of a status only.
pub(crate) fn status(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: None }
}

/// Returns the response to `$connect`: a status, and the sub-protocol if the connection is accepted. A call without an
/// answer becomes status 500.
///
/// # Errors
/// The problem of an answer that is not valid. It becomes status 500 too.
pub(crate) fn to_connect(called: Called) -> Result<Reply, String> {
    match called {
        Ok(Ok(reply)) if (200..=299).contains(&reply.status) => {
            let chosen = reply.headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(SUB_PROTOCOL));
            match chosen.as_ref().map_or(0, |(_, value)| value.len()) {
                bytes if bytes > MAX_SUB_PROTOCOL_BYTES => {
                    Err(format!("the sub-protocol has {bytes} bytes, above the limit of {MAX_SUB_PROTOCOL_BYTES}"))
                }
                _ => Ok(Reply { headers: chosen.into_iter().collect(), ..status(reply.status) }),
            }
        }
        Ok(Ok(reply)) if REFUSALS.contains(&reply.status) => Ok(status(reply.status)),
        Ok(Ok(reply)) => Err(format!("the reply's status {} is not between 200 and 599", reply.status)),
        Ok(Err(error)) if FAILURES.contains(&error.status) => Ok(status(error.status)),
        Ok(Err(error)) => Err(format!("the error's status {} is not between 400 and 599", error.status)),
        Err(_) => Ok(status(500)),
    }
}

/// Returns the response to a message. The body, or the guest's own error, reaches the client on two-way routes only.
pub(crate) fn to_message(called: Called, two_way: bool, context: &EventContext) -> Result<Reply, FunctionError> {
    let (code, body) = match called {
        Ok(Ok(reply)) => (reply.status, if two_way { reply.body.map(convert::payload) } else { None }),
        Ok(Err(error)) if !FAILURES.contains(&error.status) => {
            return Err(invalid(format!("the error's status {} is not between 400 and 599", error.status)));
        }
        Ok(Err(error)) => (error.status, two_way.then(|| Payload::Text(error_body(&error, context)))),
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

/// Returns the body for the client. It is within the limit of a message: an error that a long message caused keeps its
/// status.
fn error_body(error: &wit::Error, context: &EventContext) -> String {
    let body = if error.status >= 500 {
        serde_json::json!({
            "message": INTERNAL,
            "connectionId": context.connection_id.as_str(),
            "requestId": context.request_id.as_str(),
        })
    } else {
        serde_json::json!({ "message": cut_to_fit(&error.message, MAX_PAYLOAD_BYTES - EMPTY_BODY.len()) })
    };
    body.to_string()
}

/// Cuts a text so that it has at most `limit` bytes as the inside of a JSON string.
fn cut_to_fit(text: &str, limit: usize) -> &str {
    let mut length = 0;
    for (place, character) in text.char_indices() {
        length += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => r"\u0000".len(),
            character => character.len_utf8(),
        };
        if length > limit {
            return text.get(..place).unwrap_or_default();
        }
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: u16, message: String) -> String {
        let context = crate::context::tests::context();
        let reply = to_message(Ok(Err(wit::Error { status, message })), true, &context).unwrap();
        assert_eq!(reply.status, status);
        match reply.body {
            Some(Payload::Text(text)) => text,
            other => panic!("expected text, found {other:?}"),
        }
    }

    #[test]
    fn long_errors_are_cut_to_the_limit_of_a_message_and_keep_their_status() {
        let pieces = ["x", "\u{0}", "\u{1f}", "\"", "\\", "\n", "\u{8}", "\u{c}", "é", "\u{7f}", "🌊", "\u{2028}"];
        for piece in pieces {
            for extra in 0..7 {
                let message = format!("{}{}", "x".repeat(extra), piece.repeat(MAX_PAYLOAD_BYTES));
                let body = body(422, message.clone());
                // At most one more piece would have been above the limit.
                assert!((MAX_PAYLOAD_BYTES - 6..=MAX_PAYLOAD_BYTES).contains(&body.len()), "{piece:?}: {}", body.len());
                let json: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert!(message.starts_with(json["message"].as_str().unwrap()));
            }
        }
    }

    #[test]
    fn short_errors_are_whole() {
        assert_eq!(body(404, "no \"such\" room\n".to_owned()), r#"{"message":"no \"such\" room\n"}"#);
    }

    #[test]
    fn texts_of_server_errors_do_not_reach_clients() {
        for status in [500, 503, 599] {
            let json: serde_json::Value = serde_json::from_str(&body(status, "the password is".to_owned())).unwrap();
            let expected =
                serde_json::json!({ "message": INTERNAL, "connectionId": "connection", "requestId": "request" });
            assert_eq!(json, expected);
        }
    }

    #[test]
    fn sub_protocols_are_bounded() {
        let reply = |bytes| wit::Reply {
            status: 200,
            headers: vec![("Sec-WebSocket-Protocol".to_owned(), "x".repeat(bytes))],
            body: None,
        };
        assert_eq!(to_connect(Ok(Ok(reply(MAX_SUB_PROTOCOL_BYTES)))).unwrap().status, 200);
        assert!(to_connect(Ok(Ok(reply(MAX_SUB_PROTOCOL_BYTES + 1)))).unwrap_err().contains("8193 bytes"));
    }

    #[test]
    fn statuses_that_cannot_answer_a_handshake_are_named() {
        let reply = |status| to_connect(Ok(Ok(wit::Reply { status, headers: Vec::new(), body: None })));
        for code in [0, 1, 99, 100, 101, 103, 199, 600, 999, u16::MAX] {
            assert!(reply(code).unwrap_err().contains(&format!("status {code} ")), "{code}");
        }
        for code in [200, 204, 299, 300, 404, 599] {
            assert_eq!(reply(code), Ok(status(code)));
        }
        let error = |status| to_connect(Ok(Err(wit::Error { status, message: String::new() })));
        for code in [0, 101, 200, 302, 600] {
            assert!(error(code).unwrap_err().contains(&format!("status {code} ")), "{code}");
        }
        assert_eq!(error(429), Ok(status(429)));
    }
}
