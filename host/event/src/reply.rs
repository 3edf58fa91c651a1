//! Replies, the responses of an integration.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format>

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, parse};
use crate::fields::{Groups, Multi, MultiValues, Single, SingleValues};
use crate::text::{Body, Scalar, payload, to_json};
use crate::types::{Fields, Reply};

/// Encodes a reply. Writes the headers to `headers`, or all of them to `multiValueHeaders` if a name repeats.
#[must_use]
pub fn encode_reply(reply: &Reply) -> Vec<u8> {
    let headers = Groups::new(&reply.headers);
    let body = reply.body.as_ref().map(Body::from);
    let text = Outgoing {
        status_code: reply.status,
        headers: (!headers.is_empty() && !headers.repeat()).then(|| headers.single()),
        multi_value_headers: headers.repeat().then(|| headers.multi()),
        is_base64_encoded: body.is_some_and(Body::is_base64),
        body,
    };
    to_json(&text, 256 + body.map_or(0, Body::len))
}

/// Decodes a reply as API Gateway does.
///
/// `statusCode` is a number or a numeric string, header values are scalars, and `body` is a string or null. Other
/// members are ignored. A header in both `headers` and `multiValueHeaders` has the values of both. A name and value
/// that are in both occur once.
///
/// # Errors
/// [`DecodeError`] if API Gateway would reject the reply: it is not an object, lacks a valid `statusCode`, has a `body`
/// that is not a string, or has a `body` that is not base64 although `isBase64Encoded` is true. AWS does not document
/// that it rejects a missing `statusCode`.
pub fn decode_reply(json: &[u8]) -> Result<Reply, DecodeError> {
    let reply: Incoming = parse(json)?;
    let status = reply.status_code.0.parse().ok().filter(|status| (100..=599).contains(status));
    let is_base64 = reply.is_base64_encoded.unwrap_or(false);
    Ok(Reply {
        status: status.ok_or_else(|| DecodeError::invalid("statusCode", "expected a status from 100 to 599"))?,
        headers: merge(reply.headers.unwrap_or_default(), reply.multi_value_headers.unwrap_or_default()),
        body: reply.body.map(|body| payload(body, is_base64)).transpose()?,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a, 'g> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Single<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Multi<'g, 'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'a>>,
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Incoming {
    status_code: Scalar,
    headers: Option<SingleValues>,
    multi_value_headers: Option<MultiValues>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

fn merge(single: SingleValues, multi: MultiValues) -> Fields {
    let multi = multi.into_fields();
    let mut headers: Fields = single.into_fields();
    if !multi.is_empty() {
        let known: std::collections::HashSet<_> = multi.iter().collect();
        headers.retain(|header| !known.contains(header));
    }
    headers.extend(multi);
    headers
}
