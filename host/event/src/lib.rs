//! API Gateway WebSocket events and replies as types, and the codec both ways.
//!
//! A proxy event is decoded once, at the edge, into a closed [`Request`]; a [`Reply`] or a [`Decision`] is encoded as the
//! integration's or the authorizer's response. The gateway of one machine uses the other half of the same codec, so that
//! a local run exercises the JSON that AWS sends.
//!
//! - [`proxy`]: proxy events, decoded and encoded
//! - [`reply`]: an integration's response
//! - [`decision`]: an authorizer's response, over `policy`, the part of IAM's policy language it is written in
//! - [`failure`]: function errors
//! - [`selection`]: route selection expressions
//! - [`error`]: what is wrong with any of these
//! - [`id`]: newtypes for the ids and names of an event
//! - [`types`]: requests, replies, decisions and what they are made of
//!
//! `fields` and `text` hold what the JSON of several of these has in common.

pub mod decision;
pub mod error;
pub mod failure;
mod fields;
pub mod id;
mod policy;
pub mod proxy;
pub mod reply;
pub mod selection;
mod text;
pub mod types;

pub use decision::{MAX_DECISION_BYTES, decode_decision, encode_decision};
pub use error::DecodeError;
pub use failure::{FunctionError, decode_function_error, encode_function_error};
pub use id::{ConnectionId, IdError, MessageId, RequestId, RouteKey, Timestamp};
pub use proxy::{decode_request, encode_message, encode_request};
pub use reply::{decode_reply, encode_reply};
pub use selection::{SelectionError, SelectionExpression};
pub use types::{
    Authorization, Closing, Connection, Decision, Event, Fields, Handshake, Identity, Message, Payload, Reply, Request,
};

/// The largest message, either way: 128 KiB.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const MAX_PAYLOAD_BYTES: usize = 131_072;
