//! The gateway's integration when the host runs in the same process.

use std::time::Duration;

use async_trait::async_trait;
use tidegate_capability::Deadline;
use tidegate_gateway::{Function, Invoke, InvokeError};
use tidegate_runtime::Host;
use tokio_util::task::TaskTracker;

/// API Gateway's longest integration timeout, which bounds an event as Lambda's own deadline does when deployed.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(29);
/// How long the post-response phase of one event may take: a deferred greeting waits at most a second for its socket.
const POST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The host, as the gateway's integration.
pub(crate) struct InProcess {
    host: Host,
    post_response: TaskTracker,
}

impl InProcess {
    /// The integration that runs events on `host`.
    pub(crate) fn new(host: Host) -> Self {
        Self { host, post_response: TaskTracker::new() }
    }

    /// Waits until every post-response phase has ended; each is bounded.
    pub(crate) async fn drain(&self) {
        self.post_response.close();
        self.post_response.wait().await;
    }
}

#[async_trait]
impl Invoke for InProcess {
    async fn invoke(&self, _: Function, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let outcome = self.host.dispatch(&event, Deadline::after(INVOCATION_TIMEOUT)).await;
        if !outcome.after.is_empty() {
            self.post_response.spawn(outcome.after.run(Deadline::after(POST_RESPONSE_TIMEOUT)));
        }
        outcome.response.map_err(InvokeError::FunctionError)
    }
}
