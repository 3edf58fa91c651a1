//! The SDK's HTTP client for an embedded database.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::engine::Embedded;
use crate::operation::Answer;

/// DynamoDB's maximum size of a request: 16 MB.
const MAX_BODY_BYTES: usize = 16 << 20;

/// The SDK's HTTP client for an [`Embedded`] database.
#[derive(Debug)]
pub struct Client {
    connector: SharedHttpConnector,
}

impl Client {
    /// Creates a client for `database`.
    #[must_use]
    pub fn new(database: Embedded) -> Self {
        Self { connector: SharedHttpConnector::new(Connector { database }) }
    }

    /// Returns the connector, which handles single requests.
    #[must_use]
    pub fn connector(&self) -> SharedHttpConnector {
        self.connector.clone()
    }
}

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // There is no connection, so the timeouts in the settings do not apply.
        self.connector.clone()
    }
}

#[derive(Debug)]
struct Connector {
    database: Embedded,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let Some(body) = request.body().bytes() else {
            let error = ConnectorError::user("the embedded database does not accept streamed requests".into());
            return HttpConnectorFuture::ready(Err(error));
        };
        if body.len() > MAX_BODY_BYTES {
            return HttpConnectorFuture::ready(respond(Answer::too_large()));
        }
        if let Some(answer) = self.database.answer_now(target, body) {
            return HttpConnectorFuture::ready(respond(answer));
        }
        let target = target.to_owned();
        let body = body.to_vec();
        let database = self.database.clone();
        HttpConnectorFuture::new(async move {
            match database.answer(target, body).await {
                Some(answer) => respond(answer),
                None => Err(ConnectorError::io("the embedded database is closed".into())),
            }
        })
    }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
