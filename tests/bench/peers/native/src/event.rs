//! The used parts of API Gateway's events and responses.

use serde::{Deserialize, Serialize};

/// Event of a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) request_context: Context,
    #[serde(default)]
    pub(crate) body: String,
}

/// Request context of an event.
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

/// Authorizer context of a connection.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorizer {
    pub(crate) principal_id: Option<String>,
}

/// Response of the integration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Reply {
    /// Makes a successful response, with or without a body.
    pub(crate) fn ok(body: Option<String>) -> Self {
        Self { status_code: 200, body }
    }

    /// Makes a refusal with a message for the client.
    pub(crate) fn refusal(status_code: u16, message: &str) -> Self {
        Self { status_code, body: Some(serde_json::json!({ "message": message }).to_string()) }
    }
}
