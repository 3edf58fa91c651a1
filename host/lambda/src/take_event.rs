//! The outermost layer around `lambda_runtime`: it takes the event before the runtime parses it.
//!
//! `lambda_runtime` parses the body of every event before it calls the handler, but the host decodes the bytes itself.
//! This layer therefore moves the body into an [`Invocation`] and replaces it with `null`. It makes the invocation
//! [`CURRENT`] for everything inside: the handler, the post-response phase and the log.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::{Error as BoxError, LambdaInvocation, Service, tower};
use tidegate_aws::http::transport::TRACE;

use crate::invocation::{CURRENT, Invocation};

/// The body that `lambda_runtime` parses instead of the event.
const PLACEHOLDER: Bytes = Bytes::from_static(b"null");

/// Wraps a service into a [`TakeEvent`].
#[derive(Clone, Default)]
pub(crate) struct TakeEventLayer {
    started: Arc<AtomicBool>,
}

/// Makes each event the current invocation of the service inside.
#[derive(Clone)]
pub(crate) struct TakeEvent<S> {
    inner: S,
    /// True after the first event of the process.
    started: Arc<AtomicBool>,
}

impl<S> tower::Layer<S> for TakeEventLayer {
    type Service = TakeEvent<S>;

    fn layer(&self, inner: S) -> TakeEvent<S> {
        TakeEvent { inner, started: Arc::clone(&self.started) }
    }
}

impl<S> Service<LambdaInvocation> for TakeEvent<S>
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
        let cold_start = !self.started.swap(true, Ordering::Relaxed);
        let event = std::mem::replace(&mut given.body, PLACEHOLDER);
        let invocation = Arc::new(Invocation::new(&given.context, event, cold_start));
        let trace = invocation.trace_id.clone().unwrap_or_default();
        let answering = self.inner.call(given);
        Box::pin(CURRENT.scope(invocation, TRACE.scope(trace, answering)))
    }
}
