//! API Gateway WebSocket events and replies as types, and the codec both ways.
//!
//! A proxy event is decoded once, at the edge, into a closed [`Request`]; a [`Reply`] or a [`Decision`] is encoded as the
//! integration's or the authorizer's response. The gateway of one machine uses the other half of the same codec, so that
//! a local run exercises the JSON that AWS sends.
//!
//! - [`id`]: newtypes for the ids and names of an event
//! - [`types`]: requests, replies, decisions and what they are made of

pub mod id;
pub mod types;

pub use id::{ConnectionId, IdError, MessageId, RequestId, RouteKey, Timestamp};
pub use types::{
    Authorization, Closing, Connection, Decision, Event, Fields, FunctionError, Handshake, Identity, Message, Payload,
    Reply, Request,
};

/// The largest message, either way: 128 KiB.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const MAX_PAYLOAD_BYTES: usize = 131_072;
