//! Lambda's Runtime API, for one process.
//!
//! A process with `AWS_LAMBDA_MAX_CONCURRENCY` above one can request several events at a time. A streamed response is
//! buffered before it is returned.
//!
//! Lambda's Runtime API is reached by its process alone. Here, every program of the machine reaches the port, and could
//! take events and answer them. The path of every request therefore begins with a secret, which only the environment of
//! the process contains: `AWS_LAMBDA_RUNTIME_API=http://127.0.0.1:PORT/SECRET`. The scheme is there because
//! `lambda_runtime` accepts no path without it.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tidegate_event::{FunctionError, decode_function_error};
use tidegate_local_access::Secret;
use tokio::sync::{oneshot, watch};

use crate::ids::Ids;
pub use crate::queue::Answer;
use crate::queue::Queue;
use crate::server::{self, BodyError, Server};

/// The maximum size of a response that Lambda accepts, in bytes: 6 MiB and 100 bytes.
pub const MAX_RESPONSE_BYTES: usize = 6_291_556;

const ROOT: &str = "/2018-06-01/runtime/";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// The Runtime API of one process. Dropping it stops its server.
#[derive(Debug)]
pub struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    arn: HeaderValue,
    /// `None` serves every program of the machine.
    secret: Option<Secret>,
    ids: Ids,
    queue: Queue,
    init_error: watch::Sender<Option<FunctionError>>,
}

impl RuntimeApi {
    /// Starts the API on a free port of `127.0.0.1`, for the function with the ARN `arn`.
    ///
    /// # Errors
    /// The operating system has no free port or no random numbers, or `arn` is not a valid header value.
    pub async fn start(arn: &str) -> io::Result<Self> {
        Self::serve(arn, Some(Secret::random()?)).await
    }

    /// Starts the API without a secret, for runtimes that accept no path in `AWS_LAMBDA_RUNTIME_API`. Every program of
    /// the machine can then take events and answer them, so this is for measurements only.
    ///
    /// # Errors
    /// The same as for [`start`](Self::start).
    pub async fn start_without_secret(arn: &str) -> io::Result<Self> {
        Self::serve(arn, None).await
    }

    async fn serve(arn: &str, secret: Option<Secret>) -> io::Result<Self> {
        let arn = HeaderValue::from_str(arn).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let ids = Ids::new()?;
        let init_error = watch::Sender::new(None);
        let shared = Arc::new(Shared { arn, secret, ids, queue: Queue::default(), init_error });
        let answering = Arc::clone(&shared);
        let server = Server::start(move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        Ok(Self { server: server.await?, shared })
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API`: a URL whose path is the secret. Without a secret, it is an
    /// address, as on Lambda.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let address = self.server.address();
        match &self.shared.secret {
            Some(secret) => format!("http://{address}/{}", secret.reveal()),
            None => address.to_string(),
        }
    }

    /// Submits an event with the time limit `time`, and waits for the response. The response may never arrive: the
    /// process can end or exceed the time.
    pub async fn invoke(&self, event: impl Into<Bytes>, time: Duration) -> Answer {
        self.submit(event, time).answer().await
    }

    /// Submits an event. Its time limit `time` begins when the process takes the event.
    pub fn submit(&self, event: impl Into<Bytes>, time: Duration) -> Submitted<'_> {
        let number = self.shared.ids.next();
        let answered = self.shared.queue.put(number, event.into(), time);
        Submitted { shared: &self.shared, number, answered }
    }

    /// Waits until the process requests the next event, which ends its post-response phase.
    pub async fn idle(&self) {
        self.shared.queue.idle().await;
    }

    /// Returns true if the process waits for an event.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.queue.is_idle()
    }

    /// Waits until the process reports an init error. This may never happen.
    pub async fn init_error(&self) -> FunctionError {
        let mut errors = self.shared.init_error.subscribe();
        match errors.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            _ => pending().await,
        }
    }
}

/// A submitted event. Dropping it withdraws the event, or ignores its response.
#[derive(Debug)]
pub struct Submitted<'a> {
    shared: &'a Shared,
    number: u64,
    answered: oneshot::Receiver<Answer>,
}

impl Submitted<'_> {
    /// Returns the request id of the event.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.shared.ids.request_id(self.number)
    }

    /// Waits for the response, which may never arrive.
    pub async fn answer(mut self) -> Answer {
        match (&mut self.answered).await {
            Ok(answer) => answer,
            // The connection of the process broke while the event was being sent.
            Err(_) => pending().await,
        }
    }
}

impl Drop for Submitted<'_> {
    fn drop(&mut self) {
        self.answered.close();
        self.shared.queue.withdraw(self.number);
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = match &self.secret {
            Some(secret) => match secret.strip(parts.uri.path()) {
                Some(path) => path,
                None => return server::forbidden(),
            },
            None => parts.uri.path(),
        };
        let Some(path) = path.strip_prefix(ROOT) else { return not_found() };
        let target = path.strip_prefix("invocation/").and_then(|path| path.split_once('/'));
        match (&parts.method, path, target) {
            (&Method::GET, "invocation/next", _) => self.next().await,
            (_, "invocation/next", _) => not_allowed(),
            (&Method::POST, "init/error", _) => self.fail_init(&parts, body).await,
            (&Method::POST, _, Some((id, "response"))) => self.respond(id, body).await,
            (&Method::POST, _, Some((id, "error"))) => self.fail(id, &parts, body).await,
            (_, "init/error", _) | (_, _, Some((_, "response" | "error"))) => not_allowed(),
            _ => not_found(),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let Some(invocation) = self.queue.next().await else {
            return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "no event is available");
        };
        let (number, event, time) = self.queue.begin(invocation);
        let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut response = server::json(StatusCode::OK, event);
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, ascii(self.ids.request_id(number)));
        headers.insert(DEADLINE, ascii(deadline.to_string()));
        headers.insert(FUNCTION_ARN, self.arn.clone());
        headers.insert(TRACE_ID, ascii(self.ids.trace_id(number)));
        response
    }

    async fn respond(&self, id: &str, body: Incoming) -> Response<Full<Bytes>> {
        match server::read(body, MAX_RESPONSE_BYTES).await {
            Ok(body) => self.finish(id, Ok(body.into())),
            Err(BodyError::Broken) => truncated(),
            Err(BodyError::TooLarge) => {
                let message =
                    format!("the response exceeds the maximum allowed payload size (`{MAX_RESPONSE_BYTES}` bytes)");
                let too_large = FunctionError {
                    error_type: "Function.ResponseSizeTooLarge".to_owned(),
                    error_message: message.clone(),
                };
                match self.take(id) {
                    Some(waiting) => {
                        // This fails only if the caller has stopped waiting.
                        let _ = waiting.send(Err(too_large));
                        error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
                    }
                    None => unknown_id(),
                }
            }
        }
    }

    async fn fail(&self, id: &str, parts: &Parts, body: Incoming) -> Response<Full<Bytes>> {
        match server::read(body, MAX_RESPONSE_BYTES).await {
            Ok(body) => self.finish(id, Err(function_error(parts, &body))),
            Err(BodyError::Broken) => truncated(),
            // The event has failed even if the error is too large to read.
            Err(BodyError::TooLarge) => self.finish(id, Err(function_error(parts, b""))),
        }
    }

    async fn fail_init(&self, parts: &Parts, body: Incoming) -> Response<Full<Bytes>> {
        let Ok(body) = server::read(body, MAX_RESPONSE_BYTES).await else { return truncated() };
        if self.queue.is_initialised() {
            let message = "a process that has requested an event is initialised";
            return error(StatusCode::FORBIDDEN, "InvalidStateTransition", message);
        }
        self.init_error.send_replace(Some(function_error(parts, &body)));
        accepted()
    }

    fn finish(&self, id: &str, answer: Answer) -> Response<Full<Bytes>> {
        match self.take(id) {
            Some(waiting) => {
                // This fails only if the caller has stopped waiting.
                let _ = waiting.send(answer);
                accepted()
            }
            None => unknown_id(),
        }
    }

    /// Returns the sender for the response to the event with this request id.
    fn take(&self, id: &str) -> Option<oneshot::Sender<Answer>> {
        self.queue.finish(self.ids.number(id)?)
    }
}

/// Returns the error that a process reports. Like Lambda, this function accepts an error that is not in Lambda's
/// format, and takes the error type from the header.
fn function_error(parts: &Parts, body: &[u8]) -> FunctionError {
    let kind = || {
        let kind = parts.headers.get(ERROR_TYPE).and_then(|kind| kind.to_str().ok());
        kind.unwrap_or("Runtime.Unknown").to_owned()
    };
    match decode_function_error(body) {
        Ok(error) if error.error_type.is_empty() => FunctionError { error_type: kind(), ..error },
        Ok(error) => error,
        Err(problem) => FunctionError {
            error_type: kind(),
            error_message: format!("the function's error has no message: {problem}"),
        },
    }
}

fn accepted() -> Response<Full<Bytes>> {
    server::json(StatusCode::ACCEPTED, Bytes::from_static(br#"{"status":"OK"}"#))
}

fn truncated() -> Response<Full<Bytes>> {
    error(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "the request ended early")
}

fn unknown_id() -> Response<Full<Bytes>> {
    error(StatusCode::BAD_REQUEST, "InvalidRequestID", "no event with this request id is under way")
}

fn not_found() -> Response<Full<Bytes>> {
    error(StatusCode::NOT_FOUND, "NotFound", "the Runtime API has nothing at this path")
}

fn not_allowed() -> Response<Full<Bytes>> {
    error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the Runtime API takes another method at this path")
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    server::json(status, json!({ "errorType": kind, "errorMessage": message }).to_string())
}

/// Converts ASCII text to a header value.
fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
