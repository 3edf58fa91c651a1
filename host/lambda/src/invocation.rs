//! One event of the function.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use lambda_runtime::Context;
use tidegate_ports::Deadline;
use tidegate_runtime::{ActiveRelease, Fault, PostResponse};

/// The maximum time that API Gateway waits for an integration.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub(crate) const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(29);

tokio::task_local! {
    /// The event that this task works on. The log takes its context from here.
    pub(crate) static CURRENT: std::sync::Arc<Invocation>;
}

/// One event, from its arrival until Lambda is asked for the next.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// Lambda's request id.
    pub(crate) request_id: String,
    /// The X-Ray trace, as Lambda's header states it.
    pub(crate) trace_id: Option<String>,
    /// The time at which Lambda ends the function.
    pub(crate) deadline: Deadline,
    /// True for the first event of the process.
    pub(crate) cold_start: bool,
    /// The time at which the event arrived.
    pub(crate) began: Instant,
    /// The event, as JSON.
    pub(crate) event: Bytes,
    /// The release that the event runs on, set when it is chosen.
    pub(crate) active: OnceLock<ActiveRelease>,
    done: Mutex<Option<Done>>,
}

/// The result of an event, and the work that is left for the post-response phase.
#[derive(Debug)]
pub(crate) struct Done {
    /// The route that ran, or `None` if no route ran.
    pub(crate) route: Option<String>,
    /// The release that the event ran on.
    pub(crate) active: Option<ActiveRelease>,
    /// The failure that the release is responsible for.
    pub(crate) fault: Option<Fault>,
    /// True if the answer is a function error other than a refusal.
    pub(crate) failed: bool,
    /// The time from the arrival of the event to the answer.
    pub(crate) took: Duration,
    /// The work for the post-response phase.
    pub(crate) after: PostResponse,
}

impl Invocation {
    /// Creates the invocation of an event that arrived now.
    pub(crate) fn new(context: &Context, event: Bytes, cold_start: bool) -> Self {
        // Lambda states the deadline as wall-clock time. A deadline in the past means that the clocks disagree, for
        // example after a clock was set, or under an emulator with an invented time. Lambda always enforces the
        // deadline by its own clock.
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

    /// Stores the result of the event for the post-response phase.
    pub(crate) fn finish(&self, done: Done) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    }

    /// Takes the result of the event. Returns `None` if the event was not answered.
    pub(crate) fn take_done(&self) -> Option<Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
