//! The AWS stub: DynamoDB, Parameter Store, S3 and `@connections` on one port, over HTTP/1.1.
//!
//! The stub checks nothing and only records the calls, because its time is part of every measurement.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tidegate_lambda_emulator::server::{self, Server};

use crate::answers::{Answers, empty_answer, json_answer, object_answer};
use crate::delay::Delay;
use crate::published::{BUCKET, Published};

/// Maximum size of a request, in bytes. The chat's requests are smaller than a kilobyte.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Path between the callback URL and a connection id: plain, and as some SDKs encode it.
const CONNECTIONS: [&str; 2] = ["/@connections/", "/%40connections/"];

/// Number of calls by operation.
pub type Calls = BTreeMap<String, usize>;

/// The AWS stub. Dropping it stops its server.
#[derive(Debug)]
pub struct Aws {
    server: Server,
    shared: Arc<Shared>,
}

/// Record of the requests since the last call of [`Aws::take`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls by operation, except those for releases.
    pub calls: Calls,
    /// Calls for releases, by operation and by table or bucket.
    pub of_releases: Calls,
    /// For each post, in order of arrival: the maximum number of concurrent posts so far.
    pub in_flight: Vec<usize>,
    /// Posted messages by connection. Empty unless the stub keeps messages.
    pub messages: BTreeMap<String, Vec<Bytes>>,
}

#[derive(Debug)]
struct Shared {
    delay: Delay,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    answers: Answers,
    published: Option<Published>,
    post_time: Duration,
    keeps_messages: bool,
    concurrent: usize,
    seen: Seen,
}

impl Aws {
    /// Starts the stub with an empty group, posts without a delay, and a release if there is one.
    ///
    /// # Errors
    /// The system has no free port, or cannot start a thread.
    pub async fn start(published: Option<Published>) -> Result<Self> {
        let state = State {
            answers: Answers::new(0),
            published,
            post_time: Duration::ZERO,
            keeps_messages: false,
            concurrent: 0,
            seen: Seen::default(),
        };
        let shared = Arc::new(Shared { delay: Delay::start()?, state: Mutex::new(state) });
        let answering = Arc::clone(&shared);
        let server = Server::start(move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        Ok(Self { server: server.await.context("cannot start the stub of AWS")?, shared })
    }

    /// Returns the stub's URL, which is the endpoint of every service.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Sets the number of group members and the duration of a post.
    pub fn set(&self, members: usize, post_time: Duration) {
        let mut state = self.shared.state();
        state.answers = Answers::new(members);
        state.post_time = post_time;
    }

    /// Sets whether the stub keeps messages. It does not keep them during measurements.
    pub fn keep_messages(&self, keep: bool) {
        self.shared.state().keeps_messages = keep;
    }

    /// Removes cached artifacts of the release, so the next process starts as in a new environment.
    ///
    /// # Errors
    /// A file system operation fails.
    pub fn forget_cached(&self) -> Result<()> {
        self.shared.state().published.as_ref().map_or(Ok(()), Published::forget)
    }

    /// Returns the record of the requests since the last call.
    #[must_use]
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.shared.state().seen)
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let Ok(body) = server::read(body, MAX_REQUEST_BYTES).await else {
            return empty_answer(StatusCode::BAD_REQUEST);
        };
        match parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap_or_default()) {
            Some(target) => self.operation(target.rsplit('.').next().unwrap_or(target), &body),
            None => match self.object(&parts) {
                Some(bytes) => object_answer(bytes),
                None => self.connection(&parts, body).await,
            },
        }
    }

    /// Returns an object of the release bucket.
    fn object(&self, parts: &Parts) -> Option<Bytes> {
        let mut state = self.state();
        let object = state.published.as_ref()?.object(parts.uri.path())?;
        count(&mut state.seen.of_releases, &format!("{} {BUCKET}", parts.method));
        Some(object)
    }

    fn operation(&self, operation: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state();
        if let Some(answer) = state.of_releases(operation, body) {
            return json_answer(StatusCode::OK, answer);
        }
        count(&mut state.seen.calls, operation);
        match state.answers.of(operation) {
            Some(body) => json_answer(StatusCode::OK, body),
            None => {
                let refusal = Bytes::from_static(br#"{"__type":"UnknownOperationException"}"#);
                json_answer(StatusCode::BAD_REQUEST, refusal)
            }
        }
    }

    async fn connection(&self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        let path = parts.uri.path();
        let id = CONNECTIONS.iter().find_map(|before| path.split_once(before)).map(|(_, id)| id.replace("%3D", "="));
        let (Some(id), &Method::POST) = (id, &parts.method) else {
            count(&mut self.state().seen.calls, &format!("{} {path}", parts.method));
            return empty_answer(StatusCode::NOT_FOUND);
        };
        let post_time = self.state().begin(id, body);
        let waited = self.delay.wait(post_time).await;
        self.state().concurrent -= 1;
        empty_answer(if waited { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the response to an operation on a release table.
    fn of_releases(&mut self, operation: &str, body: &[u8]) -> Option<Bytes> {
        let (table, answer) = self.published.as_ref()?.operation(operation, body)?;
        count(&mut self.seen.of_releases, &format!("{operation} {table}"));
        Some(answer)
    }

    /// Counts a post, and returns its duration.
    fn begin(&mut self, id: String, body: Bytes) -> Duration {
        count(&mut self.seen.calls, "PostToConnection");
        self.concurrent += 1;
        let most = self.seen.in_flight.last().copied().unwrap_or_default().max(self.concurrent);
        self.seen.in_flight.push(most);
        if self.keeps_messages {
            self.seen.messages.entry(id).or_default().push(body);
        }
        self.post_time
    }
}

fn count(calls: &mut Calls, call: &str) {
    match calls.get_mut(call) {
        Some(count) => *count += 1,
        None => drop(calls.insert(call.to_owned(), 1)),
    }
}
