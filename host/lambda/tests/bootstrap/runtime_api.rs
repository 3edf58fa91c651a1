//! A stand-in for Lambda's Runtime API, for one process.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate_event::{FunctionError, decode_function_error};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

const ROOT: &str = "/2018-06-01/runtime/";

/// What a function answers an event with.
pub(crate) type Answer = Result<Vec<u8>, FunctionError>;

/// The API. Dropping it ends its server.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    give: mpsc::UnboundedSender<Invocation>,
    given: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    answers: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    failed: Mutex<Option<oneshot::Sender<FunctionError>>>,
    numbers: AtomicU64,
    /// How many requests for the next event wait.
    waiting: watch::Sender<usize>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: Vec<u8>,
    deadline: SystemTime,
}

impl RuntimeApi {
    /// Starts the API. The second value is the error with which the process says that it does not start.
    pub(crate) async fn start() -> (Self, oneshot::Receiver<FunctionError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (give, given) = mpsc::unbounded_channel();
        let (failed, failure) = oneshot::channel();
        let shared = Arc::new(Shared {
            give,
            given: tokio::sync::Mutex::new(given),
            answers: Mutex::default(),
            failed: Mutex::new(Some(failed)),
            numbers: AtomicU64::new(1),
            waiting: watch::Sender::new(0),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        (Self { address, shared, server }, failure)
    }

    /// Gives the process an event, and waits for its answer.
    pub(crate) async fn invoke(&self, event: Vec<u8>, time: Duration) -> Answer {
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", self.shared.numbers.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        self.shared.answers.lock().unwrap().insert(id.clone(), answer);
        let invocation = Invocation { id, event, deadline: SystemTime::now() + time };
        self.shared.give.send(invocation).expect("the API runs");
        answered.await.expect("the API runs")
    }

    /// Waits until the process asks for the next event.
    pub(crate) async fn idle(&self) {
        self.shared.waiting.subscribe().wait_for(|waiting| *waiting > 0).await.expect("the API runs");
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let Some(path) = parts.uri.path().strip_prefix(ROOT) else { return status(StatusCode::NOT_FOUND) };
        if (&parts.method, path) == (&Method::GET, "invocation/next") {
            return self.next().await;
        }
        let Ok(body) = body.collect().await else { return status(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        if (&parts.method, path) == (&Method::POST, "init/error") {
            let error = decode_function_error(&body).unwrap();
            let failed = self.failed.lock().unwrap().take();
            failed.expect("a process says once that it does not start").send(error).ok();
            return status(StatusCode::ACCEPTED);
        }
        let target = path.strip_prefix("invocation/").and_then(|path| path.split_once('/'));
        let answer = match target {
            Some((_, "response")) => Ok(body.to_vec()),
            Some((_, "error")) => Err(decode_function_error(&body).unwrap()),
            _ => return status(StatusCode::NOT_FOUND),
        };
        let waiting = target.and_then(|(id, _)| self.answers.lock().unwrap().remove(id));
        match waiting {
            Some(waiting) => {
                waiting.send(answer).ok();
                status(StatusCode::ACCEPTED)
            }
            None => status(StatusCode::BAD_REQUEST),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let invocation = self.given.lock().await.recv().await.expect("the API runs");
        self.waiting.send_modify(|waiting| *waiting -= 1);
        let deadline = invocation.deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Response::builder()
            .header("Content-Type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header("Lambda-Runtime-Deadline-Ms", deadline.to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:chat")
            .header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
            .body(Full::new(invocation.event.into()))
            .unwrap()
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}
