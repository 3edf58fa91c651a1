//! The gateway's integration for a host in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_gateway::{Caller, Function, Invoke, InvokeError};
use tidegate_ports::Deadline;
use tidegate_release::Release;
use tidegate_runtime::{Follower, Host, Tracks};
use tokio_util::task::TaskTracker;

use crate::dev::follow;
use crate::ui::error::{Result, blocking};

/// API Gateway's maximum integration timeout. It limits an event as Lambda's deadline does in a deployed app.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(29);
/// The time limit of one post-response phase. A message that was deferred during `$connect` waits at most 1 s for
/// its socket.
const POST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The host as the gateway's integration.
pub(crate) struct InProcess {
    host: Arc<Host>,
    /// `None` unless releases are followed.
    follower: Option<Arc<Follower>>,
    post_response: TaskTracker,
}

impl InProcess {
    /// Creates the integration, which runs events on `host` and counts them for `follower`.
    pub(crate) fn new(host: Arc<Host>, follower: Option<Arc<Follower>>) -> Self {
        Self { host, follower, post_response: TaskTracker::new() }
    }

    /// Returns the follower of releases.
    pub(crate) fn follower(&self) -> Option<&Arc<Follower>> {
        self.follower.as_ref()
    }

    /// Switches later events to another release. Events in flight end on the release that they began on, which is then
    /// freed.
    ///
    /// # Errors
    /// The host refuses the release. Events then continue on the current one.
    pub(crate) async fn activate(&self, release: Release) -> Result<()> {
        let host = Arc::clone(&self.host);
        let linked = blocking(move || Ok(host.link(&release)?)).await?;
        let retired = self.host.swap_tracks(Tracks::stable(linked));
        for retired in retired {
            tokio::spawn(async move {
                let idle = retired.idle().await;
                // Unmapping code may wait for the kernel.
                tokio::task::spawn_blocking(move || drop(idle));
            });
        }
        Ok(())
    }

    /// Sets the configuration values for later events.
    pub(crate) fn set_config(&self, values: BTreeMap<String, String>) {
        self.host.set_config(values);
    }

    /// Waits until every post-response phase has ended. Each has a time limit.
    pub(crate) async fn drain(&self) {
        self.post_response.close();
        self.post_response.wait().await;
        if let Some(follower) = &self.follower {
            follow::flush(Arc::clone(follower)).await;
        }
    }
}

#[async_trait]
impl Invoke for InProcess {
    async fn invoke(&self, _: Function, event: Vec<u8>, caller: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
        let client = caller.departed.clone();
        let outcome = self.host.dispatch_for(&event, Deadline::after(INVOCATION_TIMEOUT), client).await;
        if let Some(follower) = &self.follower
            && follower.record(&outcome)
        {
            self.post_response.spawn(follow::flush(Arc::clone(follower)));
        }
        if !outcome.after.is_empty() {
            self.post_response.spawn(outcome.after.run(Deadline::after(POST_RESPONSE_TIMEOUT)));
        }
        outcome.response.map_err(InvokeError::FunctionError)
    }
}
