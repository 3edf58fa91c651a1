//! API Gateway's WebSocket events and replies as types, with a codec for both directions.
//!
//! A function decodes each proxy event into a [`Request`], and encodes a [`Reply`] or a [`Decision`] as its response.
//! The local gateway uses the other half of the codec, so a local run uses the same JSON that AWS sends.
//!
//! ```
//! use tidegate_event::{Reply, decode_reply, encode_reply};
//!
//! let reply = Reply { status: 200, headers: Vec::new(), body: None };
//! let json = encode_reply(&reply);
//! assert_eq!(json, br#"{"statusCode":200,"isBase64Encoded":false}"#);
//! assert_eq!(decode_reply(&json), Ok(reply));
//! ```
//!
//! - [`proxy`]: proxy events
//! - [`reply`]: the responses of an integration
//! - [`decision`]: the responses of an authorizer, based on `policy`, a subset of IAM's policy language
//! - [`failure`]: function errors
//! - [`selection`]: route selection expressions
//! - [`error`]: the error of all decoders
//! - [`id`]: newtypes for the ids and names in an event
//! - [`types`]: requests, replies, decisions and their parts
//!
//! Several modules share the helpers `fields` and `text`. `optional` decodes the members that an event may lack.

pub mod decision;
pub mod error;
pub mod failure;
mod fields;
pub mod id;
mod optional;
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
pub use proxy::{Decoded, decode_event, decode_request, encode_message, encode_request};
pub use reply::{decode_reply, encode_reply};
pub use selection::{SelectionError, SelectionExpression};
pub use types::{
    Authorization, Closing, Connection, Decision, Event, Fields, Handshake, Identity, Message, Payload, Reply, Request,
};

/// The maximum size of a message in either direction, in bytes: 128 KiB.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub const MAX_PAYLOAD_BYTES: usize = 131_072;
