//! Proxy events, which API Gateway sends to a function.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>
//! and <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html>

mod incoming;
mod outgoing;

pub use incoming::{Decoded, decode_event, decode_request};
pub use outgoing::{encode_message, encode_request};

/// The `type` of an authorizer's event.
const AUTHORIZER_TYPE: &str = "REQUEST";
/// The member of `requestContext.authorizer` that names the client.
const PRINCIPAL_ID: &str = "principalId";
/// The member of `requestContext.authorizer` with the duration of the authorizer's call in milliseconds.
const INTEGRATION_LATENCY: &str = "integrationLatency";
