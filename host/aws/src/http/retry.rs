//! Retries of a request within its deadline.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tidegate_ports::Deadline;

use crate::failure::{self, Failure, NO_ANSWER, code_of};

/// The maximum length of the first pause. The maximum doubles for each later pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The maximum length of every pause.
const MAX_PAUSE: Duration = Duration::from_millis(400);
/// The time limit of an attempt that may be retried. A pooled connection that died while the process was frozen by
/// Lambda never responds, and must not use up the time until the deadline.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(1);

/// The failures after which a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    /// Every failure after which a retry may succeed: the request is a read, or idempotent.
    Safe,
    /// Like `Safe`, for a request whose response may take longer than [`ATTEMPT`].
    SafeWithin(Duration),
    /// Only failures of requests that were not applied.
    Unapplied,
    /// Like `Unapplied`, with a time limit, so that the caller can find out whether a request was applied.
    UnappliedWithin(Duration),
}

/// Pauses between attempts: exponential with full jitter, so that throttled callers do not retry at the same time.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Waits before the next attempt. Returns false if the deadline comes first, immediately if that is known.
    pub(crate) async fn pause(&mut self, deadline: Deadline) -> bool {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10)).min(MAX_PAUSE);
        self.attempts += 1;
        let pause = longest.mul_f64(fraction());
        if pause >= deadline.remaining() {
            return false;
        }
        tokio::time::sleep(pause).await;
        !deadline.has_passed()
    }
}

/// Repeats `attempt` until it succeeds, `may_repeat` rejects its error, or the deadline is too near for another pause.
/// Each attempt takes at most `limit`. `no_answer` creates the error of an attempt that timed out.
///
/// # Errors
/// The error of the last attempt.
pub(crate) async fn retry<T, E, F, Fut>(
    limit: Duration,
    deadline: Deadline,
    mut attempt: F,
    no_answer: impl Fn(Duration) -> E,
    may_repeat: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        let time = deadline.remaining().min(limit);
        // A timer polls its future first, so the request would be sent even after the deadline.
        if time.is_zero() {
            return Err(last.unwrap_or_else(|| no_answer(time)));
        }
        let error = match tokio::time::timeout(time, attempt()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => no_answer(time),
        };
        if !may_repeat(&error) || !backoff.pause(deadline).await {
            return Err(error);
        }
        last = Some(error);
    }
}

/// Sends a request to DynamoDB and retries it as `policy` and the deadline allow.
pub(crate) async fn send<T, E, F, Fut>(
    operation: &'static str,
    policy: RetryPolicy,
    deadline: Deadline,
    request: F,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    send_with(operation, policy, deadline, request, |error| failure::classify(operation, &error)).await
}

/// Works like [`send`], for operations with specific error types and for other services.
pub(crate) async fn send_with<T, E, F, Fut>(
    operation: &'static str,
    policy: RetryPolicy,
    deadline: Deadline,
    mut request: F,
    classify: impl Fn(E) -> Failure,
) -> Result<T, Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let attempt = || {
        let sent = request();
        let classify = &classify;
        async move { sent.await.map_err(classify) }
    };
    let no_answer = |time: Duration| {
        if !time.is_zero() {
            let code = code_of(NO_ANSWER).as_str();
            tracing::warn!(code, operation, millis = time.as_millis(), "no answer from AWS in time");
        }
        Failure::Unknown(NO_ANSWER.to_owned())
    };
    retry(policy.limit(), deadline, attempt, no_answer, |failure| policy.allows(failure)).await
}

impl RetryPolicy {
    /// Returns the time limit of one attempt.
    fn limit(self) -> Duration {
        match self {
            Self::Safe => ATTEMPT,
            Self::SafeWithin(time) | Self::UnappliedWithin(time) => time,
            Self::Unapplied => Duration::MAX,
        }
    }

    /// Returns true if a request that failed with `failure` may be sent again.
    fn allows(self, failure: &Failure) -> bool {
        let repeats_unknown = matches!(self, Self::Safe | Self::SafeWithin(_));
        failure.is_temporary() || (repeats_unknown && matches!(failure, Failure::Unknown(_)))
    }
}

/// Returns a random number from 0 to 1. Returns 0.5 if the system has no random bytes; only the jitter is lost.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
