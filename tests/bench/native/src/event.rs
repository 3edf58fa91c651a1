//! The events and answers of API Gateway, as far as they are used.

use serde::{Deserialize, Serialize};

/// A message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) request_context: Context,
    #[serde(default)]
    pub(crate) body: String,
}

/// What API Gateway says of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Context {
    pub(crate) route_key: String,
    pub(crate) connection_id: String,
    #[serde(default)]
    pub(crate) message_id: String,
    pub(crate) request_time_epoch: u64,
    pub(crate) authorizer: Option<Authorizer>,
}

/// Who is on the connection.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorizer {
    pub(crate) principal_id: Option<String>,
}

/// The integration's answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Reply {
    /// A success, with a body or without.
    pub(crate) fn ok(body: Option<String>) -> Self {
        Self { status_code: 200, body }
    }

    /// A refusal, as the client reads it.
    pub(crate) fn refusal(status_code: u16, message: &str) -> Self {
        Self { status_code, body: Some(serde_json::json!({ "message": message }).to_string()) }
    }
}
