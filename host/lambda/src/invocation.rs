//! One event that Lambda gave.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use tidegate_ports::Deadline;
use tidegate_runtime::{ActiveRelease, Fault, PostResponse};

/// The longest that API Gateway waits for an integration.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub(crate) const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

tokio::task_local! {
    /// The event that this task works on.
    pub(crate) static CURRENT: std::sync::Arc<Invocation>;
}

/// One event, from when Lambda gave it until Lambda is asked for the next.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Lambda's request id.
    pub(crate) request_id: String,
    /// The X-Ray trace, as Lambda's header states it.
    pub(crate) trace_id: Option<String>,
    /// When Lambda ends the function.
    pub(crate) deadline: Deadline,
    /// Whether it is the process's first.
    pub(crate) cold_start: bool,
    /// When it came.
    pub(crate) began: Instant,
    /// The event, as JSON.
    pub(crate) event: Bytes,
    /// What the event ran on, once that is known.
    pub(crate) active: OnceLock<ActiveRelease>,
    done: Mutex<Option<Done>>,
}

/// How an event ended, and what it left to be done.
#[derive(Debug)]
pub(crate) struct Done {
    /// The route that ran.
    pub(crate) route: Option<String>,
    /// What it ran on.
    pub(crate) active: Option<ActiveRelease>,
    /// What the release is to blame for.
    pub(crate) fault: Option<Fault>,
    /// Whether the answer is a function error other than a refusal.
    pub(crate) failed: bool,
    /// How long the answer took.
    pub(crate) took: Duration,
    /// What is left to be done.
    pub(crate) after: PostResponse,
}

impl Invocation {
    /// Takes over what Lambda gave. The event stays here: `lambda_runtime` would parse it only to hand it on.
    pub(crate) fn new(invocation: &mut LambdaInvocation, cold_start: bool) -> Self {
        let event = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        let context = &invocation.context;
        // By the wall clock. A time that is past says that clocks disagree, as after one was set or under an emulator that
        // makes one up; Lambda ends the function by its own in any case.
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or(INTEGRATION_TIMEOUT);
        Self {
            request_id: context.request_id.clone(),
            trace_id: context.xray_trace_id.clone(),
            deadline: Deadline::after(left),
            cold_start,
            began: Instant::now(),
            event,
            active: OnceLock::new(),
            done: Mutex::new(None),
        }
    }

    /// Leaves what is to be done after the answer is posted.
    pub(crate) fn finish(&self, done: Done) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    }

    /// Takes what was left; none when the event was not answered.
    pub(crate) fn take_done(&self) -> Option<Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
