//! HTTP/1.1 on a free port of this machine, for clients that keep their connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How long to wait before accepting is tried again, after the system refused.
const BACK_OFF: Duration = Duration::from_millis(10);
/// How long a request under way may keep [`Server::hang_up`] waiting.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// A server on `127.0.0.1`. Dropping it ends it, with its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    open: Arc<Mutex<Open>>,
    accepting: AbortHandle,
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Open {
    connections: JoinSet<()>,
    hang_up: CancellationToken,
}

/// Why a request's body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is above the limit.
    TooLarge,
    /// The client ended it early.
    Broken,
}

impl Server {
    /// Starts to answer requests with `handler`, on a port that was free.
    ///
    /// # Errors
    /// When the system has no port.
    pub async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open: Arc<Mutex<Open>> = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&open), handler)).abort_handle();
        Ok(Self { address, open, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the connections that clients keep, as a server does with idle ones, and says how many there were. A request
    /// under way is answered first.
    ///
    /// Once it returns, the kernel has told the clients, whether or not they have looked.
    pub async fn hang_up(&self) -> usize {
        let Open { mut connections, hang_up } = std::mem::take(&mut *lock(&self.open));
        while connections.try_join_next().is_some() {}
        let count = connections.len();
        hang_up.cancel();
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(HANG_UP_TIMEOUT, ended).await.is_err() {
            connections.shutdown().await;
        }
        if count > 0 {
            self.clients_are_told().await;
        }
        count
    }

    /// Waits until no client's end counts as established: on a busy machine, the end of a connection is overtaken by
    /// what is sent on another.
    async fn clients_are_told(&self) {
        // Remote address and state, as the kernel writes them: 127.0.0.1 in the machine's byte order, 1 for established.
        let loopback = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
        let established = format!(" {loopback:08X}:{:04X} 01 ", self.address.port());
        let told = async {
            // Where there is no such file, nobody can tell.
            while tokio::fs::read_to_string("/proc/net/tcp").await.is_ok_and(|table| table.contains(&established)) {
                tokio::task::yield_now().await;
            }
        };
        // A client may have connected anew.
        let _ = tokio::time::timeout(HANG_UP_TIMEOUT, told).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        lock(&self.open).connections.abort_all();
    }
}

/// The whole body of a request, at most `limit` bytes.
///
/// # Errors
/// When it is larger, or ends early.
pub async fn read(body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Err(_) => Err(Unread::Broken),
    }
}

/// An answer with a body of JSON.
#[must_use]
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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
                tracing::warn!("accepting a connection failed: {error}");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let mut open = lock(&open);
        while open.connections.try_join_next().is_some() {}
        let hang_up = open.hang_up.clone();
        open.connections.spawn(speak(stream, handler.clone(), hang_up));
    }
}

/// Answers the requests of one connection until either side ends it.
async fn speak<H, F>(stream: TcpStream, handler: H, hang_up: CancellationToken)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    // An answer is written whole, and a client waits for it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = hang_up.cancelled() => {
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
