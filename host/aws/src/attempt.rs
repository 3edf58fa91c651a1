//! Repeating a call within its deadline.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tidegate_ports::Deadline;

use crate::failure::{self, Failure};

/// The longest first pause; each later one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(400);
/// The longest wait for one answer where the call may be repeated: a pooled connection that died while Lambda had
/// frozen the process gives none, and must not use up the whole deadline.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(1);

/// When a call is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// After every failure that may pass: the call is a read, or applying it twice does no more than applying it once.
    Safe,
    /// The same, for a call whose answer may take longer than [`ATTEMPT`].
    SafeWithin(Duration),
    /// Only when the service said that it did not apply the call.
    Unapplied,
}

/// Pauses between attempts: exponential, with full jitter, so that throttled callers do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Waits before the next attempt; false, at once, when the deadline would come first.
    pub(crate) async fn pause(&mut self, deadline: Deadline) -> bool {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10)).min(MAX_PAUSE);
        self.attempts += 1;
        let pause = longest.mul_f64(fraction());
        if pause >= deadline.remaining() {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// Sends a request to DynamoDB, as often as `repeat` and the deadline allow.
pub(crate) async fn send<T, E, F, Fut>(
    operation: &'static str,
    repeat: Repeat,
    deadline: Deadline,
    request: F,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    send_with(operation, repeat, deadline, request, |error| failure::classify(operation, &error)).await
}

/// [`send`] for an operation with errors of its own, and for other services.
pub(crate) async fn send_with<T, E, F, Fut>(
    operation: &'static str,
    repeat: Repeat,
    deadline: Deadline,
    mut request: F,
    classify: impl Fn(E) -> Failure,
) -> Result<T, Failure>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    let mut failure = Failure::Unknown(failure::NO_ANSWER.to_owned());
    loop {
        let time = repeat.time(deadline);
        // A timer polls its future first, so a passed deadline would still send the request.
        if time.is_zero() {
            return Err(failure);
        }
        failure = match tokio::time::timeout(time, request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => classify(error),
            Err(_) => {
                tracing::warn!(operation, millis = time.as_millis(), "no answer from AWS in time");
                Failure::Unknown(failure::NO_ANSWER.to_owned())
            }
        };
        let again = failure.is_passing() || (repeat != Repeat::Unapplied && matches!(failure, Failure::Unknown(_)));
        if !again || !backoff.pause(deadline).await {
            return Err(failure);
        }
    }
}

impl Repeat {
    /// How long one attempt waits.
    fn time(self, deadline: Deadline) -> Duration {
        let remaining = deadline.remaining();
        match self {
            Self::Safe => remaining.min(ATTEMPT),
            Self::SafeWithin(time) => remaining.min(time),
            Self::Unapplied => remaining,
        }
    }
}

/// A random number from 0 to 1; a half when the system gives none, which costs only the jitter.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
