//! Publishes the halt of a canary until the store has recorded it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_ports::Deadline;
use tidegate_release::rollout::Halt;
use tidegate_release::store::ReleaseReader;

/// The time limit for one write of the status.
pub(super) const STATUS_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A halt that the store has not recorded yet.
#[derive(Debug, Default)]
pub(super) struct PendingHalt(Mutex<Option<Halt>>);

impl PendingHalt {
    /// Keeps a halt for [`publish`](Self::publish).
    pub(super) fn set(&self, halt: Halt) {
        *self.lock() = Some(halt);
    }

    /// Publishes the pending halt, with retries until the deadline. If the halt is still pending then, the next call
    /// tries again.
    pub(super) async fn publish(&self, store: &dyn ReleaseReader, deadline: Deadline) {
        loop {
            let Some(halt) = self.lock().take() else { return };
            let published = store.record_halt(&halt, deadline.min(Deadline::after(STATUS_TIMEOUT))).await;
            let Err(error) = published else { return };
            tracing::error!(release = %halt.release, "cannot publish the halt of the canary: {error}");
            self.set(halt);
            if deadline.remaining() <= RETRY_PAUSE {
                return;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Halt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs that a canary is halted.
pub(super) fn log_halt(halt: &Halt) {
    tracing::error!(release = %halt.release, "the canary is halted, by `{}`: {}", halt.host, halt.reason);
}
