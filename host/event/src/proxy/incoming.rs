//! Decodes proxy events. Unknown members are ignored, because AWS adds members from time to time.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{AUTHORIZER_TYPE, INTEGRATION_LATENCY, PRINCIPAL_ID};
use crate::error::{DecodeError, parse};
use crate::fields::{MultiValues, SingleValues};
use crate::id::{ConnectionId, MessageId, RequestId, RouteKey, Timestamp};
use crate::text::{Scalar, payload};
use crate::types::{Authorization, Closing, Connection, Event, Fields, Handshake, Message, Request};

/// The code for a connection that was closed without a code (RFC 6455 section 7.4.1).
const NO_STATUS: u16 = 1005;

/// Decodes a CONNECT, MESSAGE or DISCONNECT proxy event, or the event of a REQUEST authorizer.
///
/// # Errors
/// [`DecodeError`] if the text is not JSON, or a member is missing or has the wrong type.
pub fn decode_request(json: &[u8]) -> Result<Request, DecodeError> {
    let mut proxy: Proxy = parse(json)?;
    let event = proxy.event()?;
    let context = proxy.request_context;
    let authorizer = context.authorizer.unwrap_or_default();
    Ok(Request {
        request_id: context.request_id,
        extended_request_id: context.extended_request_id.unwrap_or_default(),
        route_key: context.route_key,
        received_at: context.request_time_epoch,
        api_id: context.api_id,
        authorizer_latency: authorizer.latency,
        connection: Connection {
            id: context.connection_id,
            connected_at: context.connected_at,
            source_ip: context.identity.source_ip,
            user_agent: context.identity.user_agent,
            domain_name: context.domain_name,
            stage: context.stage,
            principal: authorizer.principal,
            context: authorizer.context,
        },
        event,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Proxy {
    #[serde(rename = "type")]
    kind: Option<String>,
    method_arn: Option<String>,
    headers: Option<SingleValues>,
    multi_value_headers: Option<MultiValues>,
    query_string_parameters: Option<SingleValues>,
    multi_value_query_string_parameters: Option<MultiValues>,
    stage_variables: Option<SingleValues>,
    request_context: Context,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Context {
    event_type: EventType,
    route_key: RouteKey,
    message_id: Option<MessageId>,
    disconnect_status_code: Option<u16>,
    disconnect_reason: Option<String>,
    extended_request_id: Option<String>,
    stage: String,
    connected_at: Timestamp,
    request_time_epoch: Timestamp,
    identity: Client,
    request_id: RequestId,
    domain_name: String,
    connection_id: ConnectionId,
    api_id: String,
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum EventType {
    Connect,
    Message,
    Disconnect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Client {
    source_ip: String,
    user_agent: Option<String>,
}

impl Proxy {
    /// Takes the members that only one kind of event has.
    fn event(&mut self) -> Result<Event, DecodeError> {
        match (self.kind.as_deref(), self.request_context.event_type) {
            (Some(AUTHORIZER_TYPE), EventType::Connect) => Ok(Event::Authorize(Authorization {
                method_arn: self.method_arn.take().ok_or_else(|| DecodeError::missing("methodArn"))?,
                handshake: self.handshake(),
                stage_variables: fields(None, self.stage_variables.take()),
            })),
            (Some(_), _) => Err(DecodeError::invalid("type", "expected `REQUEST` with a CONNECT event, or no type")),
            (None, EventType::Connect) => Ok(Event::Connect(self.handshake())),
            (None, EventType::Message) => self.message().map(Event::Message),
            (None, EventType::Disconnect) => Ok(Event::Disconnect(Closing {
                code: self.request_context.disconnect_status_code.unwrap_or(NO_STATUS),
                reason: self.request_context.disconnect_reason.take().unwrap_or_default(),
            })),
        }
    }

    fn handshake(&mut self) -> Handshake {
        Handshake {
            headers: fields(self.multi_value_headers.take(), self.headers.take()),
            query: fields(self.multi_value_query_string_parameters.take(), self.query_string_parameters.take()),
        }
    }

    fn message(&mut self) -> Result<Message, DecodeError> {
        let id = self.request_context.message_id.take();
        Ok(Message {
            id: id.ok_or_else(|| DecodeError::missing("requestContext.messageId"))?,
            data: payload(self.body.take().unwrap_or_default(), self.is_base64_encoded.unwrap_or(false))?,
        })
    }
}

/// Returns the fields of the multi-value object, which has every value. Returns the fields of the single-value object
/// if the event has no multi-value object.
fn fields(multi: Option<MultiValues>, single: Option<SingleValues>) -> Fields {
    let fields = multi.unwrap_or_default().into_fields();
    if fields.is_empty() { single.unwrap_or_default().into_fields() } else { fields }
}

/// The object `requestContext.authorizer`, with the principal, the latency and the members of the context.
#[derive(Default)]
struct Authorizer {
    principal: Option<String>,
    latency: Option<u64>,
    context: Fields,
}

impl<'de> Deserialize<'de> for Authorizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AuthorizerVisitor)
    }
}

struct AuthorizerVisitor;

impl<'de> Visitor<'de> for AuthorizerVisitor {
    type Value = Authorizer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Authorizer, A::Error> {
        let mut authorizer = Authorizer::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                PRINCIPAL_ID => authorizer.principal = map.next_value::<Option<Scalar>>()?.map(|value| value.0),
                INTEGRATION_LATENCY => authorizer.latency = map.next_value()?,
                _ => {
                    if let ContextValue::Text(value) = map.next_value()? {
                        authorizer.context.push((name, value));
                    }
                }
            }
        }
        Ok(authorizer)
    }
}

/// A value of the context. API Gateway passes only scalars. Other values are ignored, so a new kind of value does not
/// break an app.
#[derive(Deserialize)]
#[serde(untagged)]
enum ContextValue {
    #[serde(deserialize_with = "scalar_text")]
    Text(String),
    Other(IgnoredAny),
}

fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.0)
}
