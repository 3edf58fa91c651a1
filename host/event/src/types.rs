//! Requests, replies, decisions and what they are made of.

use crate::id::{ConnectionId, MessageId, RequestId, RouteKey, Timestamp};

/// Names and values in the order received; a name may repeat.
pub type Fields = Vec<(String, String)>;

/// A WebSocket message: UTF-8 text, or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Payload {
    /// The message as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The connection an event came on, as `requestContext` states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `connectionId`.
    pub id: ConnectionId,
    /// `connectedAt`, fixed for the connection.
    pub connected_at: Timestamp,
    /// `identity.sourceIp`.
    pub source_ip: String,
    /// `identity.userAgent`.
    pub user_agent: Option<String>,
    /// `domainName`.
    pub domain_name: String,
    /// `stage`.
    pub stage: String,
    /// `authorizer.principalId`; none when the API has no authorizer.
    pub principal: Option<String>,
    /// The authorizer's context; values are text.
    pub context: Fields,
}

/// The upgrade request of a `$connect` event or of the authorizer's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// Names as the client sent them.
    pub headers: Fields,
    /// The decoded query string.
    pub query: Fields,
}

/// A message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `messageId`.
    pub id: MessageId,
    /// The body.
    pub data: Payload,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// `disconnectStatusCode`, RFC 6455 section 7.4; 1005 when the peer gave none.
    pub code: u16,
    /// `disconnectReason`.
    pub reason: String,
}

/// What a REQUEST authorizer is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// `methodArn`: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/$connect`.
    pub method_arn: String,
    /// The upgrade request.
    pub handshake: Handshake,
    /// `stageVariables`.
    pub stage_variables: Fields,
}

/// Why a function was invoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `CONNECT`: a handshake, the authorizer having allowed it.
    Connect(Handshake),
    /// `MESSAGE`.
    Message(Message),
    /// `DISCONNECT`.
    Disconnect(Closing),
    /// `type: REQUEST`: a handshake that the authorizer decides on.
    Authorize(Authorization),
}

/// One event, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `requestId`.
    pub request_id: RequestId,
    /// `extendedRequestId`.
    pub extended_request_id: String,
    /// `routeKey`.
    pub route_key: RouteKey,
    /// `requestTimeEpoch`; `requestTime` is the same in common log format.
    pub received_at: Timestamp,
    /// `apiId`.
    pub api_id: String,
    /// `authorizer.integrationLatency` in milliseconds: how long the authorizer took at the handshake.
    pub authorizer_latency: Option<u64>,
    /// The connection.
    pub connection: Connection,
    /// The rest of `requestContext`, and the body.
    pub event: Event,
}

/// What an integration answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `statusCode`.
    pub status: u16,
    /// `headers` and `multiValueHeaders`.
    pub headers: Fields,
    /// `body`.
    pub body: Option<Payload>,
}

/// Who an authorizer found a client to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `principalId`.
    pub principal: String,
    /// `context`; values are text.
    pub context: Fields,
}

/// What an authorizer decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A policy that allows, with the identity.
    Allow(Identity),
    /// A policy that denies: 403.
    Deny,
    /// The function error `Unauthorized`: 401.
    Unauthorized,
}
