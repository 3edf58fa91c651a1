//! The layer that runs the post-response phase: the time after the response is posted and before the next event is
//! requested from Lambda. Lambda freezes the process after this phase.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lambda_runtime::{Error as BoxError, LambdaInvocation, Service, tower};
use tidegate_ports::Deadline;

use crate::init::App;
use crate::invocation::{CURRENT, Invocation};

/// The time limit of this phase. The function is busy until the phase ends. A message that was deferred during
/// `$connect` waits up to a second for its socket.
const LONGEST: Duration = Duration::from_secs(5);
/// The time between the end of this phase and Lambda's deadline. Lambda kills the process at the deadline.
const MARGIN: Duration = Duration::from_millis(100);

/// Wraps a service into a [`PostResponse`].
#[derive(Clone)]
pub(crate) struct PostResponseLayer {
    app: Arc<App>,
}

/// Runs the post-response phase after each event of the service inside.
#[derive(Clone)]
pub(crate) struct PostResponse<S> {
    inner: S,
    app: Arc<App>,
}

impl PostResponseLayer {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl<S> tower::Layer<S> for PostResponseLayer {
    type Service = PostResponse<S>;

    fn layer(&self, inner: S) -> PostResponse<S> {
        PostResponse { inner, app: Arc::clone(&self.app) }
    }
}

impl<S> Service<LambdaInvocation> for PostResponse<S>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, given: LambdaInvocation) -> Self::Future {
        let app = Arc::clone(&self.app);
        // The future handles the event and posts the response.
        let answering = self.inner.call(given);
        Box::pin(async move {
            let posted = answering.await;
            if let Ok(invocation) = CURRENT.try_with(Arc::clone) {
                finish(&app, &invocation).await;
            }
            posted
        })
    }
}

async fn finish(app: &App, invocation: &Invocation) {
    let Some(done) = invocation.take_done() else { return };
    let latest = invocation.deadline.instant().checked_sub(MARGIN).unwrap_or(invocation.began);
    let deadline = Deadline::at(latest.min(Deadline::after(LONGEST).instant()));
    app.metrics.record(&done);
    if let Some(tracer) = &app.tracer {
        tracer.send(invocation, &done);
    }
    done.after.run(deadline).await;
    if let Some(follower) = &app.follower {
        follower.after_event(deadline).await;
    }
    app.config.refresh(&app.host, deadline).await;
}
