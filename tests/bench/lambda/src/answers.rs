//! The responses of the AWS stub. They are constant, so all functions wait equally long for them.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::events::OWN;

/// Expiry of the rows, in Unix seconds: the year 2100.
const EXPIRES_AT: &str = "4102444800";
/// Header that the SDKs read for their logs.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Responses of DynamoDB and Parameter Store, by operation.
#[derive(Debug, Clone)]
pub struct Answers {
    get_item: Bytes,
    put_item: Bytes,
    get_parameters: Bytes,
    query: Bytes,
}

impl Answers {
    /// Creates the responses for a group of `members`, including the connection of the events.
    #[must_use]
    pub fn new(members: usize) -> Self {
        let rows: Vec<Value> = (0..members).map(|number| json!({ "connection_id": { "S": member(number) } })).collect();
        let parameter = json!({
            "Name": "/tidegate/chat/bench/motd",
            "Type": "SecureString",
            "Value": "Mind the gap between high and low water.",
            "Version": 1,
        });
        Self {
            get_item: bytes(&json!({ "Item": connection() })),
            put_item: bytes(&json!({})),
            get_parameters: bytes(&json!({ "Parameters": [parameter], "InvalidParameters": [] })),
            query: bytes(&json!({ "Items": rows, "Count": members, "ScannedCount": members })),
        }
    }

    /// Returns the response to an operation, or `None` if the chat does not need the operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> Option<Bytes> {
        Some(match operation {
            "GetItem" => self.get_item.clone(),
            "PutItem" => self.put_item.clone(),
            "GetParameters" => self.get_parameters.clone(),
            "Query" => self.query.clone(),
            _ => return None,
        })
    }
}

/// Returns a member of the group by number. Number 0 is the connection of the events.
#[must_use]
pub fn member(number: usize) -> String {
    if number == 0 { OWN.to_owned() } else { format!("L0SM9cOFvHc{number:04}=") }
}

/// Creates a response from DynamoDB or Parameter Store.
#[must_use]
pub fn json_answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = empty_answer(status);
    let kind = HeaderValue::from_static("application/x-amz-json-1.0");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    *answer.body_mut() = Full::new(body);
    answer
}

/// Creates a response from S3.
#[must_use]
pub fn object_answer(body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = empty_answer(StatusCode::OK);
    *answer.body_mut() = Full::new(body);
    answer
}

/// Creates a response from `@connections`.
#[must_use]
pub fn empty_answer(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
    answer
}

/// Returns a connection's row in the format of Tidegate's registry.
fn connection() -> Value {
    json!({
        "connection_id": { "S": OWN },
        "connected_at": { "N": "1700000000000" },
        "source_ip": { "S": "203.0.113.7" },
        "user_agent": { "S": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" },
        "domain_name": { "S": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com" },
        "stage": { "S": "bench" },
        "principal": { "S": "ada" },
        "context": { "L": [] },
        "attributes": { "M": { "name": { "S": "ada" } } },
        "groups": { "SS": ["lobby"] },
        "expires_at": { "N": EXPIRES_AT },
    })
}

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}
