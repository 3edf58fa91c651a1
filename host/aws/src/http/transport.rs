//! The SDK's HTTP client over TLS, for a process that Lambda freezes between events.
//!
//! Mozilla's root certificates are compiled in: reading them from a file would take up most of a cold start.
//!
//! A connection that was idle for [`MAX_IDLE`] is not reused. The server may have closed it while the process was
//! frozen by Lambda, and the outcome of a request written to it would be unknown.

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

/// The idle time after which a connection is not reused. AWS endpoints keep idle connections open for longer.
pub const MAX_IDLE: Duration = Duration::from_secs(20);
/// The time limit for connecting, which takes about a millisecond within a Region.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum number of idle connections to one host, equal to the maximum number of concurrent posts of a broadcast.
const MAX_IDLE_CONNECTIONS: usize = 128;
/// The header that adds a service's work to the trace of an event.
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");

tokio::task_local! {
    /// The trace header of the event that this task handles. Empty if the event is not traced.
    ///
    /// The transport adds this header to every request that lacks one. The SDK would read the header from the
    /// environment of the process, which cannot hold the headers of several concurrent events.
    pub static TRACE: String;
}

type Hyper = Client<HttpsConnector<TcpConnector>, SdkBody>;

/// An HTTP client for the SDK's clients. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Transport {
    connector: SharedHttpConnector,
}

impl Transport {
    /// Creates a client. It connects at the first request.
    ///
    /// # Errors
    /// [`Error::Tls`] if the TLS library rejects its configuration.
    pub fn new() -> Result<Self, Error> {
        let connector = Connector { https: https()?, pool: Mutex::new(None) };
        Ok(Self { connector: SharedHttpConnector::new(connector) })
    }

    /// Returns the client in the form that the SDK takes.
    #[must_use]
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Returns the connector, for requests that no SDK client sends.
    #[must_use]
    pub fn connector(&self) -> SharedHttpConnector {
        self.connector.clone()
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // The ports limit each attempt by its deadline, so the timeouts in the settings are not needed.
        self.connector.clone()
    }
}

struct Connector {
    https: HttpsConnector<TcpConnector>,
    pool: Mutex<Option<Pool>>,
}

/// Connections, with the time of their last use according to both clocks.
struct Pool {
    client: Hyper,
    used: Instant,
    used_at: SystemTime,
}

impl Connector {
    /// Returns the pool, or a new one if the pool was idle for too long according to either clock. The monotonic clock
    /// may stop while the process is frozen.
    fn pool(&self) -> Hyper {
        let used = Instant::now();
        let used_at = SystemTime::now();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match pool.as_mut().filter(|pool| pool.is_fresh(used, used_at)) {
            Some(pool) => {
                pool.used = used;
                pool.used_at = used_at;
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
        // A wall clock that went backwards does not show how much time has passed.
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

/// Returns a connector for HTTP/1.1, over TLS if the scheme is `https`. Emulators use `http`.
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
    async fn a_pool_is_stale_if_either_clock_shows_it() {
        let connector = Connector { https: https().unwrap(), pool: Mutex::new(None) };
        let used = Instant::now();
        let used_at = SystemTime::now();
        let pool = Pool { client: connector.pool(), used, used_at };
        let moment = Duration::from_secs(1);
        assert!(pool.is_fresh(used + moment, used_at + moment));
        assert!(!pool.is_fresh(used + MAX_IDLE, used_at + moment));
        assert!(!pool.is_fresh(used + moment, used_at + MAX_IDLE));
        assert!(pool.is_fresh(used + moment, used_at - MAX_IDLE));
    }
}
