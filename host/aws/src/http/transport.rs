//! The SDK's HTTP client over TLS, for a process that Lambda freezes between events.
//!
//! Mozilla's root certificates are compiled in: reading them from a file would take up most of a cold start.
//!
//! A connection that was idle for [`MAX_IDLE`], freezes included, is not reused. The server may have closed it while
//! the process was frozen by Lambda, and the outcome of a request written to it would be unknown. Each connection has
//! its own age: after a broadcast, a few connections may be in use while the others have been idle for long.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::header::{DATE, HeaderName, HeaderValue};
use hyper::rt::{Sleep, Timer};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tidegate_ports::AwakeInstant;

use crate::error::Error;
use crate::failure::UNSENT;
use crate::http::clock;

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
        Ok(Self { connector: SharedHttpConnector::new(Connector::new(AwakeTimer::new())?) })
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
    client: Hyper,
}

impl Connector {
    /// Creates a connector whose pool drops a connection that was idle for [`MAX_IDLE`] on the clock of `timer`.
    fn new(timer: AwakeTimer) -> Result<Self, Error> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(timer)
            .pool_idle_timeout(MAX_IDLE)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .build(https()?);
        Ok(Self { client })
    }
}

/// The timer of a pool, whose clock includes the time while the process was frozen. The pool stamps each connection
/// with this clock.
#[derive(Clone)]
struct AwakeTimer(Arc<Mutex<AwakeClock>>);

struct AwakeClock {
    now: Instant,
    read_at: AwakeInstant,
}

impl AwakeTimer {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(AwakeClock { now: Instant::now(), read_at: AwakeInstant::now() })))
    }
}

impl Timer for AwakeTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read_at = AwakeInstant::now();
        // Adding up the steps keeps the clock from going back when the wall clock is set back.
        let step = clock.read_at.elapsed();
        clock.now += step;
        clock.read_at = read_at;
        clock.now
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
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(failed)?;
            if let Some(Ok(date)) = answer.headers().get(DATE).map(HeaderValue::to_str) {
                clock::learn(date);
            }
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

/// Returns the SDK's error. The ports retry every request that was not sent.
fn failed(error: hyper_util::client::legacy::Error) -> ConnectorError {
    if error.is_connect() {
        return ConnectorError::other(error.into(), Some(UNSENT));
    }
    ConnectorError::io(error.into())
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
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;
    use tokio::sync::Barrier;

    use super::*;

    /// Answers requests, and records the number of the connection that each came on. Requests for `/both` are answered
    /// two at a time.
    async fn serve(listener: TcpListener, served: Arc<Mutex<Vec<usize>>>) {
        let both = Arc::new(Barrier::new(2));
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (served, both) = (Arc::clone(&served), Arc::clone(&both));
            tokio::spawn(async move {
                let (read, mut write) = stream.split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("GET") {
                        served.lock().unwrap().push(number);
                    }
                    if line.starts_with("GET /both") {
                        both.wait().await;
                    }
                    if line.is_empty() {
                        write.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
            });
        }
    }

    /// Lets time pass for the timer, as a freeze does.
    fn freeze(timer: &AwakeTimer, duration: Duration) {
        timer.0.lock().unwrap().now += duration;
    }

    #[tokio::test]
    async fn connections_that_are_older_than_a_freeze_are_not_reused_although_others_are() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let server = tokio::spawn(serve(listener, Arc::clone(&served)));
        let timer = AwakeTimer::new();
        let connector = Connector::new(timer.clone()).unwrap();
        let get = async |path: &str| {
            let mut request = HttpRequest::get(format!("http://{address}{path}")).unwrap();
            request.headers_mut().insert("host", "localhost");
            assert!(connector.call(request).await.unwrap().status().is_success());
        };
        let taken = || std::mem::take(&mut *served.lock().unwrap());
        tokio::join!(get("/both"), get("/both"));
        let mut connections = taken();
        connections.sort_unstable();
        assert_eq!(connections, [0, 1], "each request has its own connection");

        freeze(&timer, MAX_IDLE * 3 / 4);
        get("/one").await;
        let used = taken()[0];
        assert!(used < 2, "a connection that was idle for a moment is reused");

        freeze(&timer, MAX_IDLE * 3 / 4);
        tokio::join!(get("/both"), get("/both"));
        let mut connections = taken();
        connections.sort_unstable();
        assert_eq!(connections, [used, 2], "the used connection is young, and the other one is old");
        server.abort();
    }

    #[test]
    fn the_clock_never_goes_back() {
        let timer = AwakeTimer::new();
        let first = timer.now();
        freeze(&timer, MAX_IDLE);
        let second = timer.now();
        assert!(second - first >= MAX_IDLE && timer.now() >= second);
    }
}
