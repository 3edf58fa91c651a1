//! Encodes proxy events with the members that AWS sends, in AWS's order.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{AUTHORIZER_TYPE, INTEGRATION_LATENCY, PRINCIPAL_ID};
use crate::fields::{Groups, Multi, Single};
use crate::id::{ConnectionId, MessageId, RequestId, RouteKey, Timestamp};
use crate::text::{Body, common_log_time, to_json};
use crate::types::{Authorization, Closing, Connection, Event, Handshake, Message, Request};

/// The initial capacity for `requestContext`. It is more than the usual size, so the buffer of a message does not grow.
const CONTEXT_BYTES: usize = 1_024;
/// The initial capacity for a handshake. It is more than the usual size of a browser's headers, which are written
/// twice.
const HANDSHAKE_BYTES: usize = 4_096;

/// Encodes a proxy event as API Gateway sends it.
#[must_use]
pub fn encode_request(request: &Request) -> Vec<u8> {
    match &request.event {
        Event::Connect(handshake) => connect(request, handshake),
        Event::Message(Message { id, data }) => message(request, id, data.into()),
        Event::Disconnect(closing) => disconnect(request, closing),
        Event::Authorize(authorization) => authorize(request, authorization),
    }
}

/// Encodes the MESSAGE event of a text on the connection of `request`, without copying the text into a [`Message`]. The
/// event in `request` is ignored.
#[must_use]
pub fn encode_message(request: &Request, id: &MessageId, text: &str) -> Vec<u8> {
    message(request, id, Body::Text(text))
}

/// An event as JSON. Members that this kind of event lacks are `None`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proxy<'a, 'g> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Single<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Multi<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<Single<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<Multi<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<Single<'g, 'a>>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    route_key: &'a RouteKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    event_type: &'static str,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: Timestamp,
    request_time_epoch: Timestamp,
    identity: Client<'a>,
    request_id: &'a RequestId,
    domain_name: &'a str,
    connection_id: &'a ConnectionId,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Client<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    source_ip: &'a str,
}

impl<'a> Proxy<'a, '_> {
    fn new(context: Context<'a>) -> Self {
        Self {
            kind: None,
            method_arn: None,
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: None,
            request_context: context,
            body: None,
            is_base64_encoded: Some(false),
        }
    }
}

impl<'a> Context<'a> {
    fn new(request: &'a Request, event_type: &'static str) -> Self {
        let connection = &request.connection;
        Self {
            route_key: &request.route_key,
            message_id: None,
            disconnect_status_code: None,
            authorizer: Authorizer::new(connection, request.authorizer_latency),
            event_type,
            extended_request_id: &request.extended_request_id,
            request_time: common_log_time(request.received_at),
            message_direction: "IN",
            disconnect_reason: None,
            stage: &connection.stage,
            connected_at: connection.connected_at,
            request_time_epoch: request.received_at,
            identity: Client { user_agent: connection.user_agent.as_deref(), source_ip: &connection.source_ip },
            request_id: &request.request_id,
            domain_name: &connection.domain_name,
            connection_id: &connection.id,
            api_id: &request.api_id,
        }
    }
}

fn message<'a>(request: &'a Request, id: &'a MessageId, body: Body<'a>) -> Vec<u8> {
    let mut context = Context::new(request, "MESSAGE");
    context.message_id = Some(id);
    let mut proxy = Proxy::new(context);
    proxy.is_base64_encoded = Some(body.is_base64());
    proxy.body = Some(body);
    to_json(&proxy, CONTEXT_BYTES + body.len())
}

fn connect(request: &Request, handshake: &Handshake) -> Vec<u8> {
    let headers = Groups::new(&handshake.headers);
    let query = Groups::new(&handshake.query);
    let mut proxy = Proxy::new(Context::new(request, "CONNECT"));
    proxy.headers = Some(headers.single());
    proxy.multi_value_headers = Some(headers.multi());
    // If there is no query string, AWS omits both members from a CONNECT event, and writes empty objects for an
    // authorizer.
    if !query.is_empty() {
        proxy.query_string_parameters = Some(query.single());
        proxy.multi_value_query_string_parameters = Some(query.multi());
    }
    to_json(&proxy, CONTEXT_BYTES + HANDSHAKE_BYTES)
}

fn authorize<'a>(request: &'a Request, authorization: &'a Authorization) -> Vec<u8> {
    let handshake = &authorization.handshake;
    let headers = Groups::new(&handshake.headers);
    let query = Groups::new(&handshake.query);
    let variables = Groups::new(&authorization.stage_variables);
    let mut proxy = Proxy::new(Context::new(request, "CONNECT"));
    proxy.kind = Some(AUTHORIZER_TYPE);
    proxy.method_arn = Some(&authorization.method_arn);
    proxy.headers = Some(headers.single());
    proxy.multi_value_headers = Some(headers.multi());
    proxy.query_string_parameters = Some(query.single());
    proxy.multi_value_query_string_parameters = Some(query.multi());
    proxy.stage_variables = Some(variables.single());
    proxy.is_base64_encoded = None;
    to_json(&proxy, CONTEXT_BYTES + HANDSHAKE_BYTES)
}

fn disconnect<'a>(request: &'a Request, closing: &'a Closing) -> Vec<u8> {
    // AWS sends only these four headers. All except the first are empty.
    let headers = [
        ("Host".to_owned(), request.connection.domain_name.clone()),
        ("x-api-key".to_owned(), String::new()),
        ("X-Forwarded-For".to_owned(), String::new()),
        ("x-restapi".to_owned(), String::new()),
    ];
    let headers = Groups::new(&headers);
    let mut context = Context::new(request, "DISCONNECT");
    context.disconnect_status_code = Some(closing.code);
    context.disconnect_reason = Some(&closing.reason);
    let mut proxy = Proxy::new(context);
    proxy.headers = Some(headers.single());
    proxy.multi_value_headers = Some(headers.multi());
    to_json(&proxy, CONTEXT_BYTES)
}

/// The object `requestContext.authorizer`. The principal and the latency override context members with the same names.
struct Authorizer<'a> {
    principal: Option<&'a str>,
    latency: Option<u64>,
    context: &'a [(String, String)],
}

impl<'a> Authorizer<'a> {
    fn new(connection: &'a Connection, latency: Option<u64>) -> Option<Self> {
        let principal = connection.principal.as_deref();
        let present = principal.is_some() || latency.is_some() || !connection.context.is_empty();
        present.then_some(Self { principal, latency, context: &connection.context })
    }
}

impl Serialize for Authorizer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.context {
            if name != PRINCIPAL_ID && name != INTEGRATION_LATENCY {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(principal) = self.principal {
            map.serialize_entry(PRINCIPAL_ID, principal)?;
        }
        if let Some(latency) = self.latency {
            map.serialize_entry(INTEGRATION_LATENCY, &latency)?;
        }
        map.end()
    }
}
