//! A DynamoDB of one row, which the SDK reaches as its HTTP client.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// The row: attribute values as JSON, by name. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(Arc<Mutex<Option<Value>>>);

impl Table {
    /// Returns the row.
    pub(crate) fn row(&self) -> Option<Value> {
        self.0.lock().unwrap().clone()
    }

    /// Replaces the row, as another program can.
    pub(crate) fn set_row(&self, row: Value) {
        *self.0.lock().unwrap() = Some(row);
    }
}

impl HttpClient for Table {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Table {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let answer = match request.headers().get("x-amz-target").unwrap().rsplit_once('.').unwrap().1 {
            "PutItem" => {
                self.set_row(body["Item"].take());
                json!({})
            }
            "GetItem" => self.row().map_or(json!({}), |row| json!({ "Item": row })),
            other => panic!("an unexpected `{other}`"),
        };
        let mut response = HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
