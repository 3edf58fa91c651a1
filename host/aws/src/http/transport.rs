//! The SDK's HTTP client over TLS, for a process that Lambda freezes between events.
//!
//! The roots are Mozilla's, compiled in: reading a file of certificates would be most of a cold start. A connection that
//! was not used for a while is not used again, by whichever clock saw the time pass: its other end may have closed it
//! while this process could not notice, and a message that was written to it would have an unknown fate.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::{HeaderName, HeaderValue};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// How long a connection may lie idle and still be used: less than any AWS endpoint keeps one open.
pub const MAX_IDLE: Duration = Duration::from_secs(20);
/// How long connecting may take; within a Region it takes about a millisecond.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The most idle connections to one host: those of the widest fan-out.
const MAX_IDLE_CONNECTIONS: usize = 128;
/// Joins what AWS does for a request to the trace of its event.
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");

tokio::task_local! {
    /// The trace of the event that this task works on, empty when it has none; sent with every request where the SDK sends none: it looks for it
    /// in the process's environment, which cannot hold those of several events at once.
    pub static TRACE: String;
}

type Hyper = Client<HttpsConnector<TcpConnector>, SdkBody>;

/// An HTTP client for the SDK's clients. A clone shares its connections.
#[derive(Debug, Clone)]
pub struct Transport {
    connector: SharedHttpConnector,
}

impl Transport {
    /// Makes a client; it connects when it is used.
    ///
    /// # Errors
    /// [`Error::Tls`] when the TLS library refuses its configuration.
    pub fn new() -> Result<Self, Error> {
        let connector = Connector { https: https()?, pool: Mutex::new(None) };
        Ok(Self { connector: SharedHttpConnector::new(connector) })
    }

    /// The client, as the SDK takes it.
    #[must_use]
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// What sends a request that no SDK client makes.
    #[must_use]
    pub fn connector(&self) -> SharedHttpConnector {
        self.connector.clone()
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // The ports bound each attempt by its deadline, so the settings have no timeouts to keep.
        self.connector.clone()
    }
}

struct Connector {
    https: HttpsConnector<TcpConnector>,
    pool: Mutex<Option<Pool>>,
}

/// Connections that were last used a moment ago.
struct Pool {
    client: Hyper,
    used: Instant,
    used_at: SystemTime,
}

impl Connector {
    /// The pool, or a new one when either clock says that it is stale: a frozen process may find its monotonic clock
    /// where it was.
    fn pool(&self) -> Hyper {
        let (used, used_at) = (Instant::now(), SystemTime::now());
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match pool.as_mut().filter(|pool| pool.is_fresh(used, used_at)) {
            Some(pool) => {
                (pool.used, pool.used_at) = (used, used_at);
                pool.client.clone()
            }
            None => {
                let client = Client::builder(TokioExecutor::new())
                    .pool_idle_timeout(MAX_IDLE)
                    .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
                    .build(self.https.clone());
                *pool = Some(Pool { client: client.clone(), used, used_at });
                client
            }
        }
    }
}

impl Pool {
    fn is_fresh(&self, now: Instant, now_at: SystemTime) -> bool {
        // A wall clock that went backwards says nothing about the time that passed.
        let by_wall = now_at.duration_since(self.used_at).unwrap_or_default();
        now.saturating_duration_since(self.used).max(by_wall) < MAX_IDLE
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        if !request.headers().contains_key(TRACE_HEADER)
            && let Ok(Ok(trace)) = TRACE.try_with(|trace| HeaderValue::from_str(trace))
            && !trace.is_empty()
        {
            request.headers_mut().insert(TRACE_HEADER, trace);
        }
        let answer = self.pool().request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = answer.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// HTTP/1.1, over TLS where the address says `https`; emulators say `http`.
fn https() -> Result<HttpsConnector<TcpConnector>, Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = TcpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Ok(hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pool_is_stale_when_either_clock_says_so() {
        let connector = Connector { https: https().unwrap(), pool: Mutex::new(None) };
        let (used, used_at) = (Instant::now(), SystemTime::now());
        let pool = Pool { client: connector.pool(), used, used_at };
        let moment = Duration::from_secs(1);
        assert!(pool.is_fresh(used + moment, used_at + moment));
        assert!(!pool.is_fresh(used + MAX_IDLE, used_at + moment));
        assert!(!pool.is_fresh(used + moment, used_at + MAX_IDLE));
        assert!(pool.is_fresh(used + moment, used_at - MAX_IDLE));
    }
}
