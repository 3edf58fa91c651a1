//! An HTTP client with random faults and delays, which forwards all other requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use tidegate_ports_testing::histories::Random;

/// The faults of one in `FAULTS` requests, in equal parts.
const FAULTS: u64 = 5;

/// Random faults and delays. Clones share the random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Chaos {
    random: Arc<Mutex<Random>>,
    /// False for delays only.
    faults: bool,
}

/// The fate of one request.
#[derive(Debug)]
enum Fate {
    /// Applied and answered.
    Forward,
    /// Not applied; then this status and code.
    Refuse(u16, &'static str),
    /// Not applied; the connection breaks.
    Break,
    /// Applied; then status 500.
    Fail,
    /// Applied; the connection breaks before the answer.
    Lose,
    /// The connection breaks, and the request is applied later.
    Delay(Duration),
    /// Applied; then an answer that is not DynamoDB's.
    Garble,
}

impl Chaos {
    /// Returns delays that reorder concurrent requests, without faults.
    pub(crate) fn delays(seed: u64) -> Self {
        Self { random: Arc::new(Mutex::new(Random::new(seed))), faults: false }
    }

    /// Returns delays and faults.
    pub(crate) fn faults(seed: u64) -> Self {
        Self { faults: true, ..Self::delays(seed) }
    }

    /// Returns a client with the faults in front of `inner`.
    pub(crate) fn before(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Client { inner, chaos: self.clone() })
    }

    fn below(&self, limit: u64) -> u64 {
        self.random.lock().unwrap().below(limit)
    }

    fn fate(&self) -> Fate {
        if !self.faults || self.below(FAULTS) > 0 {
            return Fate::Forward;
        }
        match self.below(7) {
            0 => Fate::Refuse(500, "InternalServerError"),
            1 => Fate::Refuse(400, "ProvisionedThroughputExceededException"),
            2 => Fate::Break,
            3 => Fate::Fail,
            4 => Fate::Lose,
            5 => Fate::Delay(Duration::from_millis(self.below(4))),
            _ => Fate::Garble,
        }
    }

    /// Lets other requests pass.
    async fn delay(&self) {
        for _ in 0..self.below(4) {
            tokio::task::yield_now().await;
        }
        if self.below(8) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Debug)]
struct Client {
    inner: SharedHttpClient,
    chaos: Chaos,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, chaos: self.chaos.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    chaos: Chaos,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let chaos = self.chaos.clone();
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            chaos.delay().await;
            match chaos.fate() {
                Fate::Refuse(status, code) => Ok(response(status, format!(r#"{{"__type":"{code}"}}"#))),
                Fate::Break => broken(),
                Fate::Delay(time) => {
                    tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        inner.call(request).await
                    });
                    broken()
                }
                fate => {
                    let answer = inner.call(request).await;
                    chaos.delay().await;
                    match fate {
                        Fate::Fail => Ok(response(500, r#"{"__type":"InternalServerError"}"#.to_owned())),
                        Fate::Lose => broken(),
                        Fate::Garble => Ok(response(200, "<html>".to_owned())),
                        _ => answer,
                    }
                }
            }
        })
    }
}

fn broken() -> Result<HttpResponse, ConnectorError> {
    Err(ConnectorError::io("the connection broke".into()))
}

fn response(status: u16, body: String) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
