//! Accepts sockets, runs until shutdown, drains.

use std::convert::Infallible;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::closing::Close;
use crate::endpoint::{Answer, Target};
use crate::gateway::Gateway;
use crate::handshake::{Upgrade, refuse};
use crate::head::{Client, Head, MAX_HEAD_BYTES};
use crate::{expiry, management, session};

/// A process has no descriptors left (`EMFILE`), or the machine (`ENFILE`).
const NO_DESCRIPTORS: [i32; 2] = [24, 23];
/// How long to wait after an accept that failed for want of something.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Serves the API's sockets and @connections until `shutdown` is done.
///
/// Then it accepts nothing more, closes every socket with 1001, runs each one's `$disconnect`, finishes the messages under
/// way, and after at most [`Limits::drain`](crate::Limits::drain) drops what is left. When it returns, no task of the
/// gateway runs any more.
pub async fn run(listener: TcpListener, gateway: Arc<Gateway>, shutdown: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &gateway) => {}
        () = expiry::watch(&gateway.connections) => {}
    }
    drop(listener);
    gateway.stop();
    for peer in gateway.connections.all() {
        peer.outbox.close(Close::SHUTDOWN);
    }
    gateway.drain().await;
}

/// Accepts sockets; never ends.
async fn accept(listener: &TcpListener, gateway: &Arc<Gateway>) {
    let permits = Arc::new(Semaphore::new(gateway.connections.limits.sockets));
    let mut spare = Spare::new();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => {
                    spare.recovered();
                    start(gateway, stream, from, permit);
                }
                // The socket is closed at once.
                Err(_) => spare.exhausted("the limit of open sockets is reached"),
            },
            Err(error) if error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) => {
                spare.exhausted("out of file descriptors");
                spare.refuse(listener).await;
            }
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "accepting a socket failed");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether a client gave up before its socket was accepted.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A descriptor that is given up to take a new socket off the queue and close it, so that its client is refused instead
/// of left waiting; the sockets that are open are not touched.
struct Spare {
    file: Option<File>,
    told: bool,
}

impl Spare {
    fn new() -> Self {
        Self { file: File::open("/dev/null").ok(), told: false }
    }

    /// Says once that new sockets are refused.
    fn exhausted(&mut self, why: &str) {
        if !self.told {
            tracing::error!("{why}: new connections are refused, open ones are kept");
            self.told = true;
        }
    }

    fn recovered(&mut self) {
        if self.told {
            tracing::info!("new connections are accepted again");
            self.told = false;
        }
    }

    /// Takes every waiting socket off the queue and closes it.
    async fn refuse(&mut self, listener: &TcpListener) {
        if self.file.take().is_none() {
            tokio::time::sleep(BACK_OFF).await;
        }
        // Asked until there is none: an accept that must wait for a socket would take one that could be served by then.
        poll_fn(|cx| {
            while let Poll::Ready(Ok(refused)) = listener.poll_accept(cx) {
                drop(refused);
            }
            Poll::Ready(())
        })
        .await;
        self.file = File::open("/dev/null").ok();
    }
}

/// Serves one socket in a task of its own.
fn start(gateway: &Arc<Gateway>, stream: TcpStream, from: SocketAddr, permit: OwnedSemaphorePermit) {
    // A frame is written whole, and a client waits for it.
    let _ = stream.set_nodelay(true);
    let linger = gateway.connections.limits.close_handshake;
    let line = Arc::new(Line { from, head: Arc::default(), busy: AtomicBool::new(false) });
    let client = TokioIo::new(Client::new(stream, permit, Arc::clone(&line.head), linger));
    gateway.spawn(speak_http(Arc::clone(gateway), client, line));
}

/// What an HTTP connection's requests have in common.
struct Line {
    from: SocketAddr,
    head: Arc<Head>,
    /// Whether a request is being answered.
    busy: AtomicBool,
}

/// Speaks HTTP until the socket is upgraded or closed.
async fn speak_http(gateway: Arc<Gateway>, client: TokioIo<Client>, line: Arc<Line>) {
    let service = {
        let (gateway, line) = (Arc::clone(&gateway), Arc::clone(&line));
        service_fn(move |request| {
            let (gateway, line) = (Arc::clone(&gateway), Arc::clone(&line));
            async move { Ok::<_, Infallible>(answer(gateway, request, &line).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.connections.limits.header_read)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(client, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = gateway.stopped() => {
            // hyper's own way to stop would close a connection that is being upgraded.
            if !line.busy.load(Ordering::Relaxed) {
                return;
            }
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, client = %line.from, "an HTTP connection ended");
    }
}

/// Answers one request; the last of its connection when the gateway stops.
async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>, line: &Line) -> Answer {
    line.busy.store(true, Ordering::Relaxed);
    let mut answer = respond(&gateway, request, line).await;
    line.busy.store(false, Ordering::Relaxed);
    if gateway.is_stopping() && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn respond(gateway: &Arc<Gateway>, mut request: Request<Incoming>, line: &Line) -> Answer {
    let sent = line.head.take();
    let api = gateway.api();
    match Target::of(request.uri().path(), &api.stage) {
        Target::Nowhere => management::forbidden("Forbidden"),
        Target::Connection(id) => management::serve(gateway, &id, request).await,
        Target::Socket => {
            let switched = hyper::upgrade::on(&mut request);
            let (parts, _body) = request.into_parts();
            let upgrade = match Upgrade::read(gateway, &parts, sent, line.from) {
                Ok(upgrade) => upgrade,
                Err(answer) => return *answer,
            };
            let connections = &gateway.connections;
            if !connections.connects.admit(|| connections.clock.elapsed()) {
                return *refuse(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            }
            let (send, receive) = oneshot::channel();
            gateway.spawn(session::run(Arc::clone(gateway), upgrade, switched, send));
            // The session is dropped unanswered only when the gateway has drained, or when it failed.
            receive.await.unwrap_or_else(|_| *refuse(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))
        }
    }
}
