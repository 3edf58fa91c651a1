//! The server: accepts sockets, runs until shutdown, drains.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_diagnostic::Code;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use crate::closing::Close;
use crate::endpoint::{Answer, RequestKind};
use crate::gateway::Gateway;
use crate::handshake::{Upgrade, refuse};
use crate::heads::{Head, Heads, MAX_HEAD_BYTES};
use crate::limits::SOCKET_BYTES;
use crate::recording_stream::{Admitted, RecordingStream};
use crate::reserve_fd::ReserveFd;
use crate::{expiry, liveness, management, session};

/// The errors of a process (`EMFILE`) or a machine (`ENFILE`) without a free descriptor.
const NO_DESCRIPTORS: [i32; 2] = [24, 23];
/// The number of sockets to accept before other tasks run.
const ACCEPT_BATCH: u64 = 16;
/// The pause after a failed accept.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(20);

/// Serves the API's sockets and `@connections` until `shutdown` completes.
///
/// The shutdown accepts no further sockets, closes every socket with 1001, runs each `$disconnect`, and finishes the
/// messages in progress. After at most [`Limits::drain`](crate::Limits::drain), it drops the remaining work. When this
/// function returns, no task of the gateway runs.
pub async fn run(listener: TcpListener, gateway: Arc<Gateway>, shutdown: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &gateway) => {}
        () = expiry::watch(&gateway) => {}
    }
    drop(listener);
    gateway.stop();
    for peer in gateway.sockets.all() {
        peer.outbox.close(Close::SHUTDOWN);
    }
    gateway.drain().await;
}

/// Accepts sockets. Never returns.
async fn accept(listener: &TcpListener, gateway: &Arc<Gateway>) {
    let permits = Arc::new(Semaphore::new(gateway.limits.sockets));
    let mut reserve = ReserveFd::new();
    for accepted in 1_u64.. {
        if accepted.is_multiple_of(ACCEPT_BATCH) {
            tokio::task::yield_now().await;
        }
        match listener.accept().await {
            Ok((stream, from)) => match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => match gateway.limits.memory.try_reserve(SOCKET_BYTES) {
                    Ok(memory) => {
                        reserve.set_recovered();
                        start(gateway, stream, from, Admitted { memory, _permit: permit });
                    }
                    Err(_) => reserve.set_exhausted("the memory budget has no room for a socket"),
                },
                // The socket is closed immediately.
                Err(_) => reserve.set_exhausted("the limit of open sockets is reached"),
            },
            Err(error) if error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) => {
                reserve.set_exhausted("no file descriptor is left");
                reserve.refuse_waiting(listener).await;
            }
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                tracing::warn!(code = %Code::SocketAcceptFailed, %error, "cannot accept a socket");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Returns true if a client gave up before its socket was accepted.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one socket in a new task.
fn start(gateway: &Arc<Gateway>, stream: TcpStream, from: SocketAddr, admitted: Admitted) {
    // Each frame is written in one piece while a client waits for it, so delaying small writes would only add latency.
    let _ = stream.set_nodelay(true);
    if let Err(error) = liveness::watch(&stream, gateway.limits.unresponsive) {
        tracing::debug!(%error, client = %from, "cannot set the options of a socket");
    }
    let context = Arc::new(HttpContext { from, heads: Arc::default(), is_busy: AtomicBool::new(false) });
    let stream = RecordingStream::new(stream, admitted, Arc::clone(&context.heads), gateway.limits.close_handshake);
    gateway.spawn(serve_http(Arc::clone(gateway), TokioIo::new(stream), context));
}

/// The state shared by the requests of one HTTP connection.
struct HttpContext {
    from: SocketAddr,
    heads: Arc<Heads>,
    /// True while a request is being handled.
    is_busy: AtomicBool,
}

/// Handles HTTP requests until the socket is upgraded or closed.
async fn serve_http(gateway: Arc<Gateway>, stream: TokioIo<RecordingStream>, context: Arc<HttpContext>) {
    let service = {
        let gateway = Arc::clone(&gateway);
        let context = Arc::clone(&context);
        service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            let context = Arc::clone(&context);
            async move { Ok::<_, Infallible>(answer(gateway, request, &context).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.limits.header_read)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(stream, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = gateway.stopped() => {
            // hyper's graceful shutdown would close a connection that is being upgraded.
            if !context.is_busy.load(Ordering::Relaxed) {
                return;
            }
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, client = %context.from, "an HTTP connection ended");
    }
}

/// Handles one request. While the gateway stops, and if no later head can be found, the response closes the HTTP
/// connection.
async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>, context: &HttpContext) -> Answer {
    context.is_busy.store(true, Ordering::Relaxed);
    let head = context.heads.take();
    let is_last = head.as_ref().is_none_or(|head| head.is_last);
    let mut answer = match head.filter(|head| head.describes(request.headers())) {
        Some(head) => route(&gateway, request, head, context.from).await,
        None => *refuse(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    context.is_busy.store(false, Ordering::Relaxed);
    if (is_last || gateway.is_stopping()) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn route(gateway: &Arc<Gateway>, request: Request<Incoming>, head: Head, from: SocketAddr) -> Answer {
    let api = gateway.api();
    let kind = RequestKind::of(request.uri().path(), &api.stage);
    if let Err(refusal) = gateway.access.check(&request, &kind) {
        if gateway.refusals.admit(|| gateway.clock.elapsed()) {
            refusal.log();
        }
        return management::forbidden("Forbidden");
    }
    match kind {
        RequestKind::Unknown => management::forbidden("Forbidden"),
        RequestKind::Connection(id) => management::serve(gateway, &api, &id, request).await,
        RequestKind::Socket => {
            let upgrade = match Upgrade::read(gateway, &request, head.into_fields(), from) {
                Ok(upgrade) => upgrade,
                Err(answer) => return *answer,
            };
            upgrade_socket(gateway, request, upgrade).await
        }
    }
}

async fn upgrade_socket(gateway: &Arc<Gateway>, mut request: Request<Incoming>, upgrade: Upgrade) -> Answer {
    if !gateway.connects.admit(|| gateway.clock.elapsed()) {
        return *refuse(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let (send, receive) = oneshot::channel();
    gateway.spawn(session::run(Arc::clone(gateway), upgrade, upgraded, send));
    // The session is dropped without a response only if the gateway has drained, or if the session panicked.
    receive.await.unwrap_or_else(|_| *refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))
}
