//! Reports to the store whether releases load.

use std::sync::{Mutex, PoisonError};

use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::ReleaseId;
use tidegate_release::store::{LoadReport, MAX_REASON_BYTES, ReleaseReader};

use super::halt::STATUS_TIMEOUT;

/// The reports that are still to be sent.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Vec<(ReleaseId, LoadReport)>>);

impl Reports {
    /// Adds a report of this host about a release. `failure` is the reason why the release does not load.
    pub(super) fn add(&self, host: &str, release: &ReleaseId, failure: Option<String>) {
        let failure = failure.map(|mut reason| {
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
            reason
        });
        let report = LoadReport { at: Timestamp::now(), host: host.to_owned(), failure };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((release.clone(), report));
    }

    /// Sends each report once. The host works without reports, so a failure is only logged.
    pub(super) async fn send(&self, store: &dyn ReleaseReader) {
        let reports = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (release, report) in reports {
            if let Err(error) = store.record_load(&release, &report, Deadline::after(STATUS_TIMEOUT)).await {
                tracing::warn!(release = %release, "cannot report on the release: {error}");
            }
        }
    }
}
