//! Messages to connections through API Gateway's `@connections`.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>
//!
//! - `failure`: classification of SDK errors
//! - `pace`: the number of concurrent posts in one call

mod failure;
mod pace;

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::http::HttpResponse;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::operation::get_connection::GetConnectionOutput;
use aws_smithy_types::{Blob, DateTime};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tidegate_event::{ConnectionId, Payload, Timestamp};
use tidegate_ports::Deadline;
use tidegate_ports::messaging::{Error, Messaging, Socket, check_payload};

use crate::failure::{NO_ANSWER, code_of};
use crate::http::retry::Backoff;
use pace::Pace;

pub use pace::{MAX_IN_FLIGHT, START_IN_FLIGHT};

/// The time limit of one request. API Gateway responds within tens of milliseconds. One unresponsive connection must
/// not delay the other connections of a broadcast until the deadline.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for a socket to open after the response to its `$connect`.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit of one check, so that a check without an answer leaves time for others.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);
/// The first pause between two checks for an open socket. Each later pause is twice as long.
const FIRST_CHECK_PAUSE: Duration = Duration::from_millis(5);
/// The maximum length of a pause between two checks.
const MAX_CHECK_PAUSE: Duration = Duration::from_millis(80);

/// Creates a client from a configuration that includes the endpoint. Turns off the SDK's retries, because they would
/// repeat posts whose outcome is unknown.
#[must_use]
pub fn client(config: Builder) -> Client {
    let config = config
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        // Each call has a deadline, which is earlier than the grace period of stalled-stream protection.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

/// Messages through `@connections`.
///
/// A post is retried only after throttling. After a timeout or a service failure, the message may or may not have been
/// delivered, and the caller receives [`Error::Unavailable`].
#[derive(Debug, Clone)]
pub struct ConnectionsMessaging {
    client: Client,
}

/// One post in a call to many connections.
struct Job {
    /// The position of the target in the call.
    index: usize,
    /// True if an earlier attempt was throttled.
    throttled: bool,
}

impl ConnectionsMessaging {
    /// Creates the port from a client returned by [`client`].
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn post(&self, to: &ConnectionId, data: Blob, deadline: Deadline) -> Result<(), Error> {
        let post = self.client.post_to_connection().connection_id(to.as_str()).data(data).send();
        attempt("PostToConnection", deadline, post).await.map(|_| ())
    }

    async fn get(&self, id: &ConnectionId, deadline: Deadline) -> Result<GetConnectionOutput, Error> {
        attempt("GetConnection", deadline, self.client.get_connection().connection_id(id.as_str()).send()).await
    }

    /// Waits for the socket to open. Returns false if it does not open before the deadline.
    async fn wait_until_open(&self, id: &ConnectionId, deadline: Deadline) -> bool {
        let mut pause = FIRST_CHECK_PAUSE;
        loop {
            match self.get(id, deadline.min(Deadline::after(CHECK_TIMEOUT))).await {
                Ok(_) => return true,
                Err(Error::Forbidden | Error::Invalid(_) | Error::NotAttempted) => return false,
                Err(_) if pause >= deadline.remaining() => return false,
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(MAX_CHECK_PAUSE);
        }
    }
}

#[async_trait]
impl Messaging for ConnectionsMessaging {
    async fn send(&self, to: &ConnectionId, data: &Payload, deadline: Deadline) -> Result<(), Error> {
        check_payload(data)?;
        repeat(deadline, || self.post(to, Blob::new(data.as_bytes()), deadline)).await
    }

    async fn send_many(&self, to: &[ConnectionId], data: &Payload, deadline: Deadline) -> Vec<Result<(), Error>> {
        if let Err(error) = check_payload(data) {
            return vec![Err(error); to.len()];
        }
        let mut results = vec![Err(Error::NotAttempted); to.len()];
        let mut waiting: VecDeque<(Job, &ConnectionId)> =
            to.iter().enumerate().map(|(index, id)| (Job { index, throttled: false }, id)).collect();
        let mut running = FuturesUnordered::new();
        let mut pace = Pace::new(Instant::now());
        loop {
            let in_flight = pace.in_flight(Instant::now());
            while running.len() < in_flight
                && !deadline.has_passed()
                && let Some((job, id)) = waiting.pop_front()
            {
                let post = self.post(id, Blob::new(data.as_bytes()), deadline);
                running.push(async move { (post.await, job, id) });
            }
            let (result, job, id) = tokio::select! {
                Some(ended) = running.next() => ended,
                // After a pause, waiting posts start even if an earlier post still has no response.
                true = pace.resume(deadline), if in_flight == 0 && !waiting.is_empty() => continue,
                else => break,
            };
            match result {
                Err(Error::Throttled) => {
                    pace.throttled(Instant::now());
                    waiting.push_back((Job { throttled: true, ..job }, id));
                }
                // The deadline passed before the retry, so the result of the previous attempt stands.
                Err(Error::NotAttempted) if job.throttled => settle(&mut results, job.index, Err(Error::Throttled)),
                result => {
                    pace.answered();
                    settle(&mut results, job.index, result);
                }
            }
        }
        for (job, _) in waiting.into_iter().filter(|(job, _)| job.throttled) {
            settle(&mut results, job.index, Err(Error::Throttled));
        }
        results
    }

    async fn deliver_deferred(&self, to: &ConnectionId, messages: &[Payload], deadline: Deadline) -> usize {
        if !self.wait_until_open(to, deadline.min(Deadline::after(OPEN_TIMEOUT))).await {
            return 0;
        }
        for (delivered, message) in messages.iter().enumerate() {
            if let Err(error) = self.send(to, message, deadline).await {
                tracing::debug!(connectionId = %to, "a message sent during `$connect` was not delivered: {error}");
                return delivered;
            }
        }
        messages.len()
    }

    async fn describe(&self, id: &ConnectionId, deadline: Deadline) -> Result<Socket, Error> {
        let answer = repeat(deadline, || self.get(id, deadline)).await?;
        socket(answer).ok_or(Error::Unavailable)
    }

    async fn close(&self, id: &ConnectionId, deadline: Deadline) -> Result<(), Error> {
        let delete = || {
            let delete = self.client.delete_connection().connection_id(id.as_str()).send();
            attempt("DeleteConnection", deadline, delete)
        };
        repeat(deadline, delete).await.map(|_| ())
    }
}

fn settle(results: &mut [Result<(), Error>], index: usize, result: Result<(), Error>) {
    if let Some(place) = results.get_mut(index) {
        *place = result;
    }
}

/// Makes one attempt, which ends by the deadline. No attempt starts after the deadline.
async fn attempt<T, E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    deadline: Deadline,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Error> {
    let time = deadline.remaining().min(ATTEMPT_TIMEOUT);
    if time.is_zero() {
        return Err(Error::NotAttempted);
    }
    match tokio::time::timeout(time, request).await {
        Ok(answer) => answer.map_err(|error| failure::classify(operation, &error)),
        Err(_) => {
            tracing::warn!(code = code_of(NO_ANSWER).as_str(), operation, "no answer from @connections in time");
            Err(Error::Unavailable)
        }
    }
}

/// Retries a call while API Gateway throttles it and the deadline allows another attempt.
async fn repeat<T, F: Future<Output = Result<T, Error>>>(
    deadline: Deadline,
    mut call: impl FnMut() -> F,
) -> Result<T, Error> {
    let mut backoff = Backoff::default();
    let mut result = call().await;
    while matches!(result, Err(Error::Throttled)) && backoff.pause(deadline).await {
        result = match call().await {
            // The pause used up the remaining time. The previous attempt was throttled.
            Err(Error::NotAttempted) => return Err(Error::Throttled),
            other => other,
        };
    }
    result
}

fn socket(answer: GetConnectionOutput) -> Option<Socket> {
    let identity = answer.identity?;
    Some(Socket {
        connected_at: timestamp(answer.connected_at?)?,
        last_active_at: timestamp(answer.last_active_at?)?,
        source_ip: identity.source_ip?,
        user_agent: identity.user_agent,
    })
}

fn timestamp(time: DateTime) -> Option<Timestamp> {
    u64::try_from(time.to_millis().ok()?).ok().map(Timestamp)
}
