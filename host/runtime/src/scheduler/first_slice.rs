//! The first slice of an event, and the permits for those that are expected to be heavy.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

/// The place of an event's first slice.
pub(super) enum FirstSlice<'a> {
    /// On the thread of the executor that read the event, with a permit if the event is expected to be heavy.
    Here(Option<HeavySlice<'a>>),
    /// On a guest thread.
    Away,
}

/// The permits for heavy first slices on the executor. One thread of the executor is always free of them, so a quiet
/// host runs heavy events without a change of threads, and a busy one serves its sockets.
#[derive(Debug)]
pub(super) struct HeavySlices {
    most: usize,
    taken: AtomicUsize,
}

impl HeavySlices {
    /// Creates the permits of the current executor.
    pub(super) fn new() -> Self {
        let threads = Handle::try_current().map_or(0, |executor| executor.metrics().num_workers());
        Self { most: threads.saturating_sub(1), taken: AtomicUsize::new(0) }
    }

    /// Takes a permit, if one is left.
    pub(super) fn try_take(&self) -> Option<HeavySlice<'_>> {
        let taken = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).ok().map(|_| HeavySlice(&self.taken))
    }
}

/// The permit for one heavy slice on the executor, which ends with the slice.
#[derive(Debug)]
pub(super) struct HeavySlice<'a>(&'a AtomicUsize);

impl Drop for HeavySlice<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn one_thread_of_the_executor_is_free_of_heavy_slices() {
        let slices = HeavySlices::new();
        let first = slices.try_take();
        let second = slices.try_take();
        assert!(first.is_some() && second.is_some() && slices.try_take().is_none());
        drop(first);
        assert!(slices.try_take().is_some());
    }

    #[tokio::test]
    async fn an_executor_with_one_thread_runs_no_heavy_slices() {
        assert!(HeavySlices::new().try_take().is_none());
    }
}
