//! Decodes proxy events. Unknown members are ignored, because AWS adds members from time to time. Odd values of members
//! that an event may lack are ignored too, because an event that is lost leaves its connection registered.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{AUTHORIZER_TYPE, INTEGRATION_LATENCY, PRINCIPAL_ID};
use crate::error::{DecodeError, parse};
use crate::fields::{MultiOptionals, SingleOptionals};
use crate::id::{ConnectionId, MessageId, RequestId, RouteKey, Timestamp};
use crate::optional::{Ignored, Optional};
use crate::text::{Scalar, payload};
use crate::types::{Authorization, Closing, Connection, Event, Fields, Handshake, Message, Request};

/// The code for a connection that was closed without a code (RFC 6455 section 7.4.1).
const NO_STATUS: u16 = 1005;

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The event with its connection.
    pub request: Request,
    /// The names of optional members whose values were ignored, because they have the wrong type or are out of range.
    pub ignored: Vec<&'static str>,
}

/// Decodes a CONNECT, MESSAGE or DISCONNECT proxy event, or the event of a REQUEST authorizer. Works like
/// [`decode_event`], without the names of ignored members.
///
/// # Errors
/// The errors of [`decode_event`].
pub fn decode_request(json: &[u8]) -> Result<Request, DecodeError> {
    decode_event(json).map(|decoded| decoded.request)
}

/// Decodes a CONNECT, MESSAGE or DISCONNECT proxy event, or the event of a REQUEST authorizer.
///
/// A member that the kind of event may lack is ignored if its value is odd. The `body` is optional except in a MESSAGE
/// event, and the `type` is optional except in a CONNECT event, which it tells from the event of an authorizer.
///
/// # Errors
/// [`DecodeError`] if the text is not JSON, or a required member is missing or has the wrong type.
pub fn decode_event(json: &[u8]) -> Result<Decoded, DecodeError> {
    let mut proxy: Proxy = parse(json)?;
    let mut ignored = Ignored::default();
    let event = proxy.event(&mut ignored)?;
    let mut context = proxy.request_context;
    let mut authorizer = context.authorizer.take("authorizer", &mut ignored).unwrap_or_default();
    let request = Request {
        request_id: context.request_id,
        extended_request_id: context.extended_request_id.take("extendedRequestId", &mut ignored).unwrap_or_default(),
        route_key: context.route_key,
        received_at: context.request_time_epoch,
        api_id: context.api_id,
        authorizer_latency: authorizer.latency.take(INTEGRATION_LATENCY, &mut ignored),
        connection: Connection {
            id: context.connection_id,
            connected_at: context.connected_at,
            source_ip: context.identity.source_ip,
            user_agent: context.identity.user_agent.take("userAgent", &mut ignored),
            domain_name: context.domain_name,
            stage: context.stage,
            principal: authorizer.principal.take(PRINCIPAL_ID, &mut ignored).map(|value| value.0),
            context: authorizer.context,
        },
        event,
    };
    Ok(Decoded { request, ignored: ignored.0 })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Proxy {
    #[serde(rename = "type", default)]
    kind: Optional<String>,
    #[serde(default)]
    method_arn: Optional<String>,
    #[serde(default)]
    headers: Optional<SingleOptionals>,
    #[serde(default)]
    multi_value_headers: Optional<MultiOptionals>,
    #[serde(default)]
    query_string_parameters: Optional<SingleOptionals>,
    #[serde(default)]
    multi_value_query_string_parameters: Optional<MultiOptionals>,
    #[serde(default)]
    stage_variables: Optional<SingleOptionals>,
    request_context: Context,
    #[serde(default)]
    body: Optional<String>,
    #[serde(default)]
    is_base64_encoded: Optional<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Context {
    event_type: EventType,
    route_key: RouteKey,
    #[serde(default)]
    message_id: Optional<MessageId>,
    #[serde(default)]
    disconnect_status_code: Optional<u16>,
    #[serde(default)]
    disconnect_reason: Optional<String>,
    #[serde(default)]
    extended_request_id: Optional<String>,
    stage: String,
    connected_at: Timestamp,
    request_time_epoch: Timestamp,
    identity: Client,
    request_id: RequestId,
    domain_name: String,
    connection_id: ConnectionId,
    api_id: String,
    #[serde(default)]
    authorizer: Optional<Authorizer>,
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
    #[serde(default)]
    user_agent: Optional<String>,
}

impl Proxy {
    /// Takes the members that only one kind of event has.
    fn event(&mut self, ignored: &mut Ignored) -> Result<Event, DecodeError> {
        let context = &mut self.request_context;
        match context.event_type {
            EventType::Connect => self.connect(ignored),
            EventType::Message => self.message(ignored).map(Event::Message),
            EventType::Disconnect => Ok(Event::Disconnect(Closing {
                code: context.disconnect_status_code.take("disconnectStatusCode", ignored).unwrap_or(NO_STATUS),
                reason: context.disconnect_reason.take("disconnectReason", ignored).unwrap_or_default(),
            })),
        }
    }

    fn connect(&mut self, ignored: &mut Ignored) -> Result<Event, DecodeError> {
        match &self.kind {
            Optional::Absent => Ok(Event::Connect(self.handshake(ignored))),
            Optional::Value(kind) if kind == AUTHORIZER_TYPE => Ok(Event::Authorize(Authorization {
                method_arn: required(&mut self.method_arn, "methodArn")?,
                handshake: self.handshake(ignored),
                stage_variables: single(&mut self.stage_variables, "stageVariables", ignored),
            })),
            _ => Err(DecodeError::invalid("type", "expected `REQUEST` with a CONNECT event, or no type")),
        }
    }

    fn handshake(&mut self, ignored: &mut Ignored) -> Handshake {
        let mut headers = multi(&mut self.multi_value_headers, "multiValueHeaders", ignored);
        if headers.is_empty() {
            headers = single(&mut self.headers, "headers", ignored);
        }
        let name = "multiValueQueryStringParameters";
        let mut query = multi(&mut self.multi_value_query_string_parameters, name, ignored);
        if query.is_empty() {
            query = single(&mut self.query_string_parameters, "queryStringParameters", ignored);
        }
        Handshake { headers, query }
    }

    fn message(&mut self, ignored: &mut Ignored) -> Result<Message, DecodeError> {
        let id = required(&mut self.request_context.message_id, "requestContext.messageId")?;
        if matches!(self.body, Optional::Odd) {
            // Without its body, the message would be another one.
            return Err(DecodeError::invalid("body", "expected a string"));
        }
        let body = self.body.take("body", ignored).unwrap_or_default();
        let is_base64 = self.is_base64_encoded.take("isBase64Encoded", ignored).unwrap_or(false);
        Ok(Message { id, data: payload(body, is_base64)? })
    }
}

/// Takes a member that this kind of event must have.
fn required<T>(member: &mut Optional<T>, path: &'static str) -> Result<T, DecodeError> {
    match std::mem::take(member) {
        Optional::Value(value) => Ok(value),
        Optional::Absent => Err(DecodeError::missing(path)),
        Optional::Odd => Err(DecodeError::invalid(path, "expected text of an allowed length")),
    }
}

fn single(member: &mut Optional<SingleOptionals>, name: &'static str, ignored: &mut Ignored) -> Fields {
    let members = member.take(name, ignored).unwrap_or_default();
    members.into_fields(name, ignored)
}

/// Takes the fields of a multi-value object, which has every value. An event may have the single-value object only.
fn multi(member: &mut Optional<MultiOptionals>, name: &'static str, ignored: &mut Ignored) -> Fields {
    let members = member.take(name, ignored).unwrap_or_default();
    members.into_fields(name, ignored)
}

/// The object `requestContext.authorizer`, with the principal, the latency and the members of the context.
#[derive(Default)]
struct Authorizer {
    principal: Optional<Scalar>,
    latency: Optional<u64>,
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
                PRINCIPAL_ID => authorizer.principal = map.next_value()?,
                INTEGRATION_LATENCY => authorizer.latency = map.next_value()?,
                // API Gateway passes only scalars. Other values are ignored, so a new kind of value does not break an
                // app.
                _ => {
                    if let Optional::Value(Scalar(value)) = map.next_value()? {
                        authorizer.context.push((name, value));
                    }
                }
            }
        }
        Ok(authorizer)
    }
}
