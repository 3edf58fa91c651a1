//! The gateway's integration when the host runs in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use tidegate_gateway::{Function, Invoke, InvokeError};
use tidegate_ports::Deadline;
use tidegate_release::Release;
use tidegate_runtime::{Follower, Host, Tracks};
use tokio_util::task::TaskTracker;

use crate::dev::follow;

/// API Gateway's longest integration timeout, which bounds an event as Lambda's own deadline does when deployed.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(29);
/// How long the post-response phase of one event may take: a deferred greeting waits at most a second for its socket.
const POST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The host, as the gateway's integration.
pub(crate) struct InProcess {
    host: Arc<Host>,
    /// What follows releases, where they are followed.
    follower: Option<Arc<Follower>>,
    post_response: TaskTracker,
}

impl InProcess {
    /// The integration that runs events on `host`, and counts them for `follower`.
    pub(crate) fn new(host: Arc<Host>, follower: Option<Arc<Follower>>) -> Self {
        Self { host, follower, post_response: TaskTracker::new() }
    }

    /// What follows releases.
    pub(crate) fn follower(&self) -> Option<&Arc<Follower>> {
        self.follower.as_ref()
    }

    /// Runs later events on another release; those under way end on the one that they began on, which is freed then.
    ///
    /// # Errors
    /// When the release is refused; events then go on as before.
    pub(crate) async fn activate(&self, release: Release) -> Result<()> {
        let host = Arc::clone(&self.host);
        let linked = tokio::task::spawn_blocking(move || host.link(&release)).await??;
        let retired = self.host.swap_tracks(Tracks::stable(linked));
        for retired in retired {
            tokio::spawn(async move {
                let idle = retired.idle().await;
                // Unmapping its code may wait for the kernel.
                tokio::task::spawn_blocking(move || drop(idle));
            });
        }
        Ok(())
    }

    /// Gives later events these configuration values.
    pub(crate) fn set_config(&self, values: BTreeMap<String, String>) {
        self.host.set_config(values);
    }

    /// Waits until every post-response phase has ended; each is bounded.
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
    async fn invoke(&self, _: Function, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let outcome = self.host.dispatch(&event, Deadline::after(INVOCATION_TIMEOUT)).await;
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
