//! An HTTP client with faults, which forwards all other requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use serde_json::{Value, json};

/// A part of every faked message of DynamoDB. No error of a port may contain it.
pub(crate) const SECRET: &str = "arn:aws:dynamodb:secret";

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Not applied; an error with this status and code.
    Error(u16, &'static str),
    /// Not applied; an answer with this status and body.
    Answer(u16, String),
    /// Applied; then status 500.
    Applied,
    /// Not applied; never answered.
    Hang,
    /// Not applied; the connection breaks.
    Broken,
    /// Not applied; no connection is made.
    Unsent,
    /// A batch of which only the first entry is processed, or none.
    Unprocessed { first: bool },
}

impl Fault {
    /// Returns the answer of a cancelled transaction with these reasons.
    pub(crate) fn cancelled(codes: &[&str]) -> Self {
        let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code, "Message": SECRET})).collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": SECRET,
            "CancellationReasons": reasons,
        });
        Self::Answer(400, body.to_string())
    }
}

#[derive(Debug, Default)]
struct State {
    /// The faults of the next requests of an operation, and true if the first one stays.
    plans: Vec<(&'static str, VecDeque<Fault>, bool)>,
    requests: Vec<(String, Value)>,
}

/// The planned faults and the recorded requests. Clones share both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Plans faults of the next requests of `operation`.
    pub(crate) fn next(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().plans.push((operation, faults.into_iter().collect(), false));
    }

    /// Plans a fault of all requests of `operation`.
    pub(crate) fn always(&self, operation: &'static str, fault: Fault) {
        self.0.lock().unwrap().plans.push((operation, VecDeque::from([fault]), true));
    }

    /// Removes planned faults and recorded requests.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap() = State::default();
    }

    /// Returns the bodies of the recorded requests of `operation`.
    pub(crate) fn sent(&self, operation: &str) -> Vec<Value> {
        let state = self.0.lock().unwrap();
        state.requests.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }

    fn take(&self, operation: &str, body: Value) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        state.requests.push((operation.to_owned(), body));
        let (_, faults, stays) =
            state.plans.iter_mut().find(|(name, faults, _)| *name == operation && !faults.is_empty())?;
        if *stays { faults.front().cloned() } else { faults.pop_front() }
    }

    /// Returns a client that applies the faults in front of `inner`.
    pub(crate) fn before(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Client { inner, faults: self.clone() })
    }
}

#[derive(Debug)]
struct Client {
    inner: SharedHttpClient,
    faults: Faults,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.rsplit_once('.').unwrap().1.to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        match self.faults.take(&operation, body.clone()) {
            None => self.inner.call(request),
            Some(Fault::Error(status, code)) => {
                let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": SECRET});
                answer(status, body.to_string())
            }
            Some(Fault::Answer(status, body)) => answer(status, body),
            Some(Fault::Applied) => {
                let applied = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    applied.await?;
                    Ok(response(500, r#"{"__type":"InternalServerError"}"#.to_owned()))
                })
            }
            Some(Fault::Hang) => HttpConnectorFuture::new(std::future::pending()),
            Some(Fault::Unsent) => {
                let error = ConnectorError::other(SECRET.into(), Some(ErrorKind::TransientError));
                HttpConnectorFuture::ready(Err(error))
            }
            Some(Fault::Broken) => HttpConnectorFuture::ready(Err(ConnectorError::io(SECRET.into()))),
            Some(Fault::Unprocessed { first }) => self.unprocessed(request, &operation, body, first),
        }
    }
}

impl Connector {
    fn unprocessed(
        &self,
        mut request: HttpRequest,
        operation: &str,
        mut body: Value,
        first: bool,
    ) -> HttpConnectorFuture {
        let name = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
        let mut rest = body["RequestItems"].clone();
        if !first {
            return answer(200, json!({"Responses": {}, name: rest}).to_string());
        }
        for (table, batch) in body["RequestItems"].as_object_mut().unwrap() {
            let (kept, left) = match batch {
                Value::Array(items) => (items, rest[table].as_array_mut().unwrap()),
                keys => (keys["Keys"].as_array_mut().unwrap(), rest[table]["Keys"].as_array_mut().unwrap()),
            };
            kept.truncate(1);
            left.remove(0);
        }
        *request.body_mut() = SdkBody::from(body.to_string());
        let inner = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let processed = inner.await?;
            let mut body: Value = serde_json::from_slice(processed.body().bytes().unwrap()).unwrap();
            body[name] = rest;
            Ok(response(200, body.to_string()))
        })
    }
}

fn answer(status: u16, body: String) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(Ok(response(status, body)))
}

fn response(status: u16, body: String) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
