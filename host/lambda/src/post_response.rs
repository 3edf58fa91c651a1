//! What is done once the answer is posted, and before Lambda is asked for the next event; Lambda freezes the process then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use lambda_runtime::{Error as BoxError, LambdaInvocation, Service, tower};
use tidegate_aws::http::transport::TRACE;
use tidegate_ports::Deadline;

use crate::init::App;
use crate::invocation::{CURRENT, Invocation};

/// The longest that this phase lasts: a greeting waits at most a second for its socket. The function is busy until then.
const LONGEST: Duration = Duration::from_secs(5);
/// How much earlier than Lambda's deadline it ends: a function that meets that is killed, and starts cold.
const MARGIN: Duration = Duration::from_millis(100);

/// Puts the phase around a service that answers events.
#[derive(Clone)]
pub(crate) struct Layer {
    app: Arc<App>,
    warm: Arc<AtomicBool>,
}

/// A service that answers events and then does what they left to be done.
#[derive(Clone)]
pub(crate) struct PostResponse<S> {
    inner: S,
    layer: Layer,
}

impl Layer {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app, warm: Arc::new(AtomicBool::new(false)) }
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = PostResponse<S>;

    fn layer(&self, inner: S) -> PostResponse<S> {
        PostResponse { inner, layer: self.clone() }
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

    fn call(&mut self, mut given: LambdaInvocation) -> Self::Future {
        let cold_start = !self.layer.warm.swap(true, Ordering::Relaxed);
        let invocation = Arc::new(Invocation::new(&mut given, cold_start));
        let app = Arc::clone(&self.layer.app);
        // `lambda_runtime` answers and posts in this future, so what it polls finds the invocation.
        let answering = self.inner.call(given);
        let trace = invocation.trace_id.clone().unwrap_or_default();
        let work = {
            let invocation = Arc::clone(&invocation);
            async move {
                let posted = answering.await;
                finish(&app, &invocation).await;
                posted
            }
        };
        Box::pin(CURRENT.scope(invocation, TRACE.scope(trace, work)))
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
    app.values.refresh(&app.host, deadline).await;
}
