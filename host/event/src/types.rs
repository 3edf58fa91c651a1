//! Requests, replies, decisions and their parts.

use crate::id::{ConnectionId, MessageId, RequestId, RouteKey, Timestamp};

/// Names and values in the order of receipt. A name may repeat.
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
    /// Returns the message as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns true if the message has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The connection of an event, from `requestContext`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `connectionId`.
    pub id: ConnectionId,
    /// `connectedAt`. It is the same in all events of the connection.
    pub connected_at: Timestamp,
    /// `identity.sourceIp`.
    pub source_ip: String,
    /// `identity.userAgent`.
    pub user_agent: Option<String>,
    /// `domainName`.
    pub domain_name: String,
    /// `stage`.
    pub stage: String,
    /// `authorizer.principalId`, or `None` if the API has no authorizer.
    pub principal: Option<String>,
    /// The other members of `authorizer`: the context returned by the authorizer, with its values as text.
    pub context: Fields,
}

/// The HTTP request of a handshake, in a `$connect` event or an authorizer's event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The headers. Their names are spelled as the client sent them.
    pub headers: Fields,
    /// The parameters of the query string, percent-decoded.
    pub query: Fields,
}

/// A message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `messageId`.
    pub id: MessageId,
    /// The content of the message, from `body` and `isBase64Encoded`.
    pub data: Payload,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// `disconnectStatusCode` (RFC 6455 section 7.4). It is 1005 if the close frame had no code.
    pub code: u16,
    /// `disconnectReason`.
    pub reason: String,
}

/// The request to a REQUEST authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// `methodArn`: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/$connect`.
    pub method_arn: String,
    /// The HTTP request of the handshake.
    pub handshake: Handshake,
    /// `stageVariables`.
    pub stage_variables: Fields,
}

/// The kind of an event, with its specific members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `CONNECT`: a handshake that the authorizer has allowed.
    Connect(Handshake),
    /// `MESSAGE`: a message from the client.
    Message(Message),
    /// `DISCONNECT`: the connection has ended.
    Disconnect(Closing),
    /// `type: REQUEST`: a handshake that the authorizer decides on.
    Authorize(Authorization),
}

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `requestId`.
    pub request_id: RequestId,
    /// `extendedRequestId`.
    pub extended_request_id: String,
    /// `routeKey`.
    pub route_key: RouteKey,
    /// `requestTimeEpoch`. The member `requestTime` is the same time in the common log format.
    pub received_at: Timestamp,
    /// `apiId`.
    pub api_id: String,
    /// `authorizer.integrationLatency`: the duration of the authorizer's call during the handshake, in milliseconds.
    pub authorizer_latency: Option<u64>,
    /// The connection of the event.
    pub connection: Connection,
    /// The members that depend on the kind of event.
    pub event: Event,
}

/// The response of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `statusCode`.
    pub status: u16,
    /// The values of `headers` and `multiValueHeaders`.
    pub headers: Fields,
    /// `body`.
    pub body: Option<Payload>,
}

/// The identity of a client, as determined by an authorizer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `principalId`.
    pub principal: String,
    /// The members of `context`, with their values as text.
    pub context: Fields,
}

/// The decision of an authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A policy that allows the connection, with the identity of the client.
    Allow(Identity),
    /// A policy that denies the connection. The client receives 403.
    Deny,
    /// The function error `Unauthorized`. The client receives 401.
    Unauthorized,
}
