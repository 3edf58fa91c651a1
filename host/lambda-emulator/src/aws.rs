//! DynamoDB and Parameter Store over HTTP.
//!
//! Only requests that are signed with the access key of the run are answered, so that other users of the machine cannot
//! read its configuration values; the signature itself is not verified.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use crate::server::{self, Server, Unread};

/// The largest request: DynamoDB reads 16 MB and refuses a larger one itself, in its own words.
const MAX_REQUEST_BYTES: usize = (16 << 20) + 1;
/// The most parameters of one request, which is Parameter Store's limit.
const MAX_NAMES: usize = 10;
const DYNAMODB: &str = "DynamoDB_20120810.";
const GET_PARAMETERS: &str = "AmazonSSM.GetParameters";

/// DynamoDB and Parameter Store, as far as a function uses them.
#[derive(Debug)]
pub struct Aws {
    dynamodb: SharedHttpConnector,
    credential: String,
    parameters: RwLock<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
}

impl Aws {
    /// `dynamodb` answers DynamoDB's requests; `access_key_id` is the one that requests must be signed with.
    #[must_use]
    pub fn new(dynamodb: SharedHttpConnector, access_key_id: &str) -> Self {
        Self { dynamodb, credential: format!("Credential={access_key_id}/"), parameters: RwLock::default() }
    }

    /// Sets the value of a parameter.
    pub fn set_parameter(&self, name: &str, value: &str) {
        let mut parameters = self.parameters.write().unwrap_or_else(PoisonError::into_inner);
        parameters.insert(name.to_owned(), value.to_owned());
    }

    /// Sets all parameters; those that are not among them are gone.
    pub fn set_parameters(&self, parameters: BTreeMap<String, String>) {
        *self.parameters.write().unwrap_or_else(PoisonError::into_inner) = parameters;
    }

    /// Serves it on a port of its own, so that the connections of one client can be closed.
    ///
    /// # Errors
    /// When the system has no port.
    pub async fn serve(self: &Arc<Self>) -> io::Result<Server> {
        let aws = Arc::clone(self);
        Server::start(move |request: Request<Incoming>| {
            let aws = Arc::clone(&aws);
            async move {
                let (parts, body) = request.into_parts();
                match server::read(body, MAX_REQUEST_BYTES).await {
                    Ok(body) => aws.answer(&parts, body).await,
                    Err(Unread::TooLarge) => {
                        refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the request is too large")
                    }
                    Err(Unread::Broken) => {
                        refuse(StatusCode::BAD_REQUEST, "SerializationException", "the request ended early")
                    }
                }
            }
        })
        .await
    }

    /// Answers one request.
    pub async fn answer(&self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        let signed = text(&parts.headers, header::AUTHORIZATION.as_str());
        if !signed.starts_with("AWS4-HMAC-SHA256 ") {
            let said = "the request is not signed";
            return refuse(StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException", said);
        }
        if !signed.contains(&self.credential) {
            let said = "the request is not signed with the access key of this run";
            return refuse(StatusCode::BAD_REQUEST, "UnrecognizedClientException", said);
        }
        match text(&parts.headers, "x-amz-target") {
            target if target.starts_with(DYNAMODB) => self.dynamodb(target, body).await,
            GET_PARAMETERS => self.get_parameters(&body),
            target => {
                let said = format!("there is no operation `{target}` on this machine");
                refuse(StatusCode::BAD_REQUEST, "UnknownOperationException", &said)
            }
        }
    }

    async fn dynamodb(&self, target: &str, body: Bytes) -> Response<Full<Bytes>> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.headers_mut().insert("x-amz-target", target.to_owned());
        let given = self.dynamodb.call(request).await;
        let given = given.as_ref().map(|given| (StatusCode::from_u16(given.status().as_u16()), given.body().bytes()));
        match given {
            Ok((Ok(status), Some(body))) => server::json(status, Bytes::copy_from_slice(body)),
            Ok(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "the database gave no answer"),
            Err(error) => {
                tracing::debug!("the database failed: {error:?}");
                refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the database is not available")
            }
        }
    }

    fn get_parameters(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let names = match serde_json::from_slice::<GetParameters>(body) {
            Ok(request) if (1..=MAX_NAMES).contains(&request.names.len()) => request.names,
            Ok(_) => {
                let said = format!("1 to {MAX_NAMES} names are allowed");
                return refuse(StatusCode::BAD_REQUEST, "ValidationException", &said);
            }
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "SerializationException", "the request makes no sense"),
        };
        let parameters = self.parameters.read().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match parameters.get(&name) {
                Some(value) => {
                    found.push(json!({ "Name": name, "Type": "SecureString", "Value": value, "Version": 1 }));
                }
                None => missing.push(name),
            }
        }
        server::json(StatusCode::OK, json!({ "Parameters": found, "InvalidParameters": missing }).to_string())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    server::json(status, json!({ "__type": kind, "message": message }).to_string())
}
