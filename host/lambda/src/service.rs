//! The innermost service, which `lambda_runtime` calls for each event.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, Service};
use serde_json::value::RawValue;
use tidegate_event::FunctionError;
use tidegate_ports::Deadline;
use tidegate_runtime::ActiveRelease;

use crate::init::App;
use crate::invocation::{CURRENT, Done, INTEGRATION_TIMEOUT, Invocation};

/// The part of Lambda's time that is reserved for posting the response.
const POST_MARGIN: Duration = Duration::from_millis(20);

/// Runs events on the app's host.
#[derive(Clone)]
pub(crate) struct Handler {
    app: Arc<App>,
}

/// A function error. Lambda reports its type and message unchanged, and API Gateway recognizes a refusal by its
/// message.
#[derive(Debug)]
pub(crate) struct Failure(FunctionError);

impl Handler {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl Service<LambdaEvent<()>> for Handler {
    type Response = Box<RawValue>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: LambdaEvent<()>) -> Self::Future {
        let app = Arc::clone(&self.app);
        Box::pin(async move {
            let Ok(invocation) = CURRENT.try_with(Arc::clone) else {
                return Err(internal("the event has no invocation"));
            };
            answer(&app, &invocation).await
        })
    }
}

async fn answer(app: &App, invocation: &Invocation) -> Result<Box<RawValue>, Failure> {
    let latest = invocation.deadline.instant().checked_sub(POST_MARGIN).unwrap_or(invocation.began);
    let deadline = Deadline::at(latest.min(invocation.began + INTEGRATION_TIMEOUT));
    if let Some(follower) = &app.follower {
        follower.before_event().await;
    }
    let on_release = |active: &ActiveRelease| {
        // An event runs on one release, so the cell is still empty.
        let _ = invocation.active.set(active.clone());
    };
    let outcome = app.host.dispatch_observed(&invocation.event, deadline, on_release).await;
    if let Some(follower) = &app.follower {
        // The post-response phase writes the counts after each event.
        let _ = follower.record(&outcome);
    }
    invocation.finish(Done {
        route: outcome.route.map(Into::into),
        active: outcome.active,
        fault: outcome.fault,
        failed: outcome.response.as_ref().is_err_and(|error| !error.is_unauthorized()),
        took: invocation.began.elapsed(),
        after: outcome.after,
    });
    let json = String::from_utf8(outcome.response.map_err(Failure)?);
    let json = json.map_err(|_| internal("the answer is not UTF-8"))?;
    RawValue::from_string(json).map_err(|_| internal("the answer is not JSON"))
}

fn internal(message: &str) -> Failure {
    Failure(FunctionError { error_type: "Tidegate.Internal".to_owned(), error_message: message.to_owned() })
}

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: error.error_type, error_message: error.error_message }
    }
}
