//! Calls that end without an answer: the guest trapped, missed its deadline, or got no slot.

use std::time::Duration;

use tidegate_event::FunctionError;
use tidegate_ports::OutOfMemory;
use wasmtime::{Trap, WasmBacktrace};

use crate::context::{EventContext, log_event};
use crate::guest_log::excerpt_of;
use crate::scheduler::CpuLimit;
use crate::slots::NoSlot;

/// The reason why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest trapped, or a host call trapped it.
    Trap {
        /// The cause, on one line.
        reason: String,
        /// The guest's stack frames with their function names, which are of any length and therefore cut.
        backtrace: Option<String>,
    },
    /// The guest missed its deadline after this time.
    Timeout(Duration),
    /// The guest used this CPU time, the limit of its route.
    CpuTime(Duration),
    /// No slot became free before the deadline.
    Busy,
    /// The client left before the guest began.
    Abandoned,
    /// The memory budget of the process has no room for the guest.
    OutOfMemory(OutOfMemory),
}

impl From<NoSlot> for Failure {
    fn from(reason: NoSlot) -> Self {
        match reason {
            NoSlot::Busy => Self::Busy,
            NoSlot::Abandoned => Self::Abandoned,
        }
    }
}

impl Failure {
    pub(crate) fn from_error(error: &wasmtime::Error, time: Duration) -> Self {
        if matches!(error.downcast_ref::<Trap>(), Some(Trap::Interrupt)) {
            return Self::Timeout(time);
        }
        if let Some(CpuLimit(limit)) = error.downcast_ref() {
            return Self::CpuTime(*limit);
        }
        if let Some(refusal) = error.downcast_ref::<OutOfMemory>() {
            return Self::OutOfMemory(*refusal);
        }
        let reason = match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => format!("the guest called exit with status {}; a route returns instead", exit.0),
            None => excerpt_of(&error.root_cause()),
        };
        Self::Trap { reason, backtrace: error.downcast_ref::<WasmBacktrace>().map(excerpt_of) }
    }

    /// Logs the failure. The backtrace is in the log only: clients and guests never see it.
    pub(crate) fn log(&self, context: &EventContext) {
        match self {
            Self::Trap { reason, backtrace } => log_event!(
                ERROR,
                context,
                backtrace = backtrace.as_deref().unwrap_or_default(),
                "the route trapped: {reason}"
            ),
            Self::Timeout(time) => {
                log_event!(ERROR, context, "the route missed its deadline of {} ms", time.as_millis());
            }
            Self::CpuTime(limit) => log_event!(
                ERROR,
                context,
                hint = "raise `limits.cpu` of the route, or do less work for one event",
                "the route exceeded its limit of {} ms of CPU time",
                limit.as_millis()
            ),
            Self::Busy => log_event!(ERROR, context, "no instance became free before the deadline"),
            Self::Abandoned => log_event!(DEBUG, context, "the client left before the event began"),
            Self::OutOfMemory(refusal) => log_event!(
                ERROR,
                context,
                hint = "raise the memory budget of the process, or lower `limits.memory` of the routes",
                "cannot run the route: {refusal}"
            ),
        }
    }

    pub(crate) fn into_function_error(self) -> FunctionError {
        let (kind, message) = match self {
            Self::Trap { reason, .. } => ("Tidegate.Trap", format!("the route trapped: {reason}")),
            Self::Timeout(time) => {
                ("Tidegate.Timeout", format!("the route missed its deadline of {} ms", time.as_millis()))
            }
            Self::CpuTime(limit) => {
                ("Tidegate.CpuTime", format!("the route exceeded its limit of {} ms of CPU time", limit.as_millis()))
            }
            Self::Abandoned => ("Tidegate.Abandoned", "the client left before the event began".to_owned()),
            Self::Busy => ("Tidegate.Busy", "no instance became free before the deadline".to_owned()),
            Self::OutOfMemory(refusal) => ("Tidegate.Busy", refusal.to_string()),
        };
        FunctionError { error_type: kind.to_owned(), error_message: message }
    }
}
