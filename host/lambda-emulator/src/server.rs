//! An HTTP/1.1 server on a free port of this machine, for clients with keep-alive connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate_diagnostic::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// The pause after a failed accept.
const BACK_OFF: Duration = Duration::from_millis(10);
/// The maximum time that [`Server::close_connections`] waits for requests in progress.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A server on `127.0.0.1`. It refuses requests for another name than its address, and requests of web pages. Dropping
/// it stops the server and closes its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    open: Arc<Mutex<Open>>,
    accepting: AbortHandle,
}

/// The open connections.
#[derive(Debug, Default)]
struct Open {
    connections: JoinSet<()>,
    close: CancellationToken,
}

/// The error of reading a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The body is above the limit.
    TooLarge,
    /// The body ended early or is malformed.
    Broken,
}

impl Server {
    /// Starts a server on a free port. `handler` handles the requests.
    ///
    /// # Errors
    /// The operating system has no free port.
    pub async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open: Arc<Mutex<Open>> = Arc::default();
        let guarded = move |request: Request<Incoming>| {
            let answer = is_for(address, request.headers()).then(|| handler(request));
            async move {
                match answer {
                    Some(answer) => answer.await,
                    None => forbidden(),
                }
            }
        };
        let accepting = tokio::spawn(accept(listener, Arc::clone(&open), guarded)).abort_handle();
        Ok(Self { address, open, accepting })
    }

    /// Returns the address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the open connections, as a server does with idle ones, and returns their number. Requests in progress are
    /// finished first.
    ///
    /// The kernel has delivered the end of each connection to its client before this function returns.
    pub async fn close_connections(&self) -> usize {
        let Open { mut connections, close } = std::mem::take(&mut *lock(&self.open));
        while connections.try_join_next().is_some() {}
        let count = connections.len();
        close.cancel();
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, ended).await.is_err() {
            connections.shutdown().await;
        }
        if count > 0 {
            self.wait_for_clients().await;
        }
        count
    }

    /// Waits until the kernel no longer lists any client's half as established. On a busy machine, data on another
    /// connection can overtake the end of a connection.
    async fn wait_for_clients(&self) {
        // The remote address and the state, as the kernel writes them: 127.0.0.1 in the machine's byte order, and 1 for
        // established.
        let loopback = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
        let established = format!(" {loopback:08X}:{:04X} 01 ", self.address.port());
        let closed = async {
            // Without this file, there is nothing to wait for.
            while tokio::fs::read_to_string("/proc/net/tcp").await.is_ok_and(|table| table.contains(&established)) {
                tokio::task::yield_now().await;
            }
        };
        // The wait is bounded, because a client may have connected again.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        lock(&self.open).connections.abort_all();
    }
}

/// Reads the whole body of a request, up to `limit` bytes.
///
/// # Errors
/// The body is above the limit, ends early, or is malformed.
pub async fn read(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// Creates a response with a JSON body.
#[must_use]
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns the response to a request that is not for this server, or without its secret.
pub(crate) fn forbidden() -> Response<Full<Bytes>> {
    let body = br#"{"errorType":"Forbidden","errorMessage":"the request is not from a process of this function"}"#;
    json(StatusCode::FORBIDDEN, Bytes::from_static(body))
}

/// Returns true for a request to `address`. The clients of these servers are programs, which are given the address. A
/// page is recognised by its `Origin`, and under a name that leads to this machine by its `Host`.
fn is_for(address: SocketAddr, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_addressed = hosts.next().is_some_and(|host| host.as_bytes() == address.to_string().as_bytes());
    is_addressed && hosts.next().is_none() && !headers.contains_key(header::ORIGIN)
}

async fn accept<H, F>(listener: TcpListener, open: Arc<Mutex<Open>>, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(code = %Code::SocketAcceptFailed, %error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let mut open = lock(&open);
        while open.connections.try_join_next().is_some() {}
        let close = open.close.clone();
        open.connections.spawn(serve(stream, handler.clone(), close));
    }
}

/// Handles the requests of one connection until either side ends the connection.
async fn serve<H, F>(stream: TcpStream, handler: H, close: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    // Each response is written in one piece while a client waits for it, so delaying small writes would only add
    // latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
