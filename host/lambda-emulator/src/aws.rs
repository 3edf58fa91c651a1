//! The DynamoDB and Parameter Store services, over HTTP.
//!
//! Requests must be signed with the credentials of this run, so other users of the machine cannot read its
//! configuration values or its tables.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tidegate_local_access::{Keys, Scope, SignatureError};

use crate::server::{self, BodyError, Server};

/// The maximum size of a request, in bytes. DynamoDB accepts 16 MiB, and the database rejects larger requests with
/// DynamoDB's error.
const MAX_REQUEST_BYTES: usize = (16 << 20) + 1;
/// The maximum number of parameters in one request, as in Parameter Store.
const MAX_NAMES: usize = 10;
const DYNAMODB: &str = "DynamoDB_20120810.";
const GET_PARAMETERS: &str = "AmazonSSM.GetParameters";

/// The operations of DynamoDB and Parameter Store that a function uses.
#[derive(Debug)]
pub struct Aws {
    dynamodb: SharedHttpConnector,
    keys: Keys,
    /// The Region in the scope of a signature.
    region: String,
    parameters: RwLock<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
}

impl Aws {
    /// Creates the services in `region`. `dynamodb` handles the requests to DynamoDB. Requests must be signed with
    /// `credentials`.
    #[must_use]
    pub fn new(dynamodb: SharedHttpConnector, region: &str, credentials: Credentials) -> Self {
        let keys = Keys::new(vec![credentials]);
        Self { dynamodb, keys, region: region.to_owned(), parameters: RwLock::default() }
    }

    /// Sets the value of a parameter.
    pub fn set_parameter(&self, name: &str, value: &str) {
        let mut parameters = self.parameters.write().unwrap_or_else(PoisonError::into_inner);
        parameters.insert(name.to_owned(), value.to_owned());
    }

    /// Replaces all parameters.
    pub fn set_parameters(&self, parameters: BTreeMap<String, String>) {
        *self.parameters.write().unwrap_or_else(PoisonError::into_inner) = parameters;
    }

    /// Serves the services on a new port. Each client has a separate port, so its connections can be closed.
    ///
    /// # Errors
    /// The operating system has no free port.
    pub async fn serve(self: &Arc<Self>) -> io::Result<Server> {
        let aws = Arc::clone(self);
        Server::start(move |request: Request<Incoming>| {
            let aws = Arc::clone(&aws);
            async move {
                let (parts, body) = request.into_parts();
                match server::read(body, MAX_REQUEST_BYTES).await {
                    Ok(body) => aws.answer(&parts, body).await,
                    Err(BodyError::TooLarge) => {
                        refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the request is too large")
                    }
                    Err(BodyError::Broken) => {
                        refuse(StatusCode::BAD_REQUEST, "SerializationException", "the request ended early")
                    }
                }
            }
        })
        .await
    }

    /// Handles one request.
    pub async fn answer(&self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        if let Err(error) = self.verify(parts, &body) {
            return refuse(StatusCode::BAD_REQUEST, error.name(), &error.to_string());
        }
        match text(&parts.headers, "x-amz-target") {
            target if target.starts_with(DYNAMODB) => self.dynamodb(target, body).await,
            GET_PARAMETERS => self.get_parameters(&body),
            target => {
                let message = format!("the operation `{target}` is not supported");
                refuse(StatusCode::BAD_REQUEST, "UnknownOperationException", &message)
            }
        }
    }

    fn verify(&self, parts: &Parts, body: &[u8]) -> Result<(), SignatureError> {
        let target = text(&parts.headers, "x-amz-target");
        let service = if target.starts_with(DYNAMODB) { "dynamodb" } else { "ssm" };
        let scope = Scope { region: &self.region, service };
        self.keys.claim(parts, scope, SystemTime::now())?.verify(parts, body)
    }

    async fn dynamodb(&self, target: &str, body: Bytes) -> Response<Full<Bytes>> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.headers_mut().insert("x-amz-target", target.to_owned());
        let answer = self.dynamodb.call(request).await;
        let answer =
            answer.as_ref().map(|answer| (StatusCode::from_u16(answer.status().as_u16()), answer.body().bytes()));
        match answer {
            Ok((Ok(status), Some(body))) => server::json(status, Bytes::copy_from_slice(body)),
            Ok(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "the database sent no answer"),
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
                let message = format!("1 to {MAX_NAMES} names are allowed");
                return refuse(StatusCode::BAD_REQUEST, "ValidationException", &message);
            }
            Err(_) => {
                return refuse(StatusCode::BAD_REQUEST, "SerializationException", "the request cannot be decoded");
            }
        };
        let parameters = self.parameters.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut missing = Vec::new();
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
