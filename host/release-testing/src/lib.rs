//! The conformance suite of release stores. Every [`ReleaseWriter`] must pass it.
//!
//! `store_conformance!` expands to one test for each case. Its argument is an async function that creates a subject.
//! The method `store()` of a subject returns the empty store under test.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the suite is tests")]

mod publishing;
mod rollout;
mod status;

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tokio::runtime::Handle;

use tidegate_release::id::ReleaseId;
use tidegate_release::store::ReleaseWriter;

/// Lists the cases once, for the function that runs one case and for the macro that creates the tests. A case that is
/// not listed is dead code, which the lints reject.
macro_rules! suite {
    ($d:tt; $($module:ident :: $case:ident,)*) => {
        /// Runs the case with this name. The runtime must have several threads.
        ///
        /// # Panics
        /// If the store does not behave as the case expects.
        pub async fn run(case: &str, store: &dyn ReleaseWriter) {
            match case {
                $(stringify!($case) => $module::$case(store).await,)*
                _ => panic!("there is no case `{case}`"),
            }
        }

        /// Creates a test for each case. The argument is the path of an async function that creates a subject.
        #[macro_export]
        macro_rules! store_conformance {
            ($d subject:path) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let subject = $d subject().await;
                        $d crate::run(stringify!($case), subject.store()).await;
                    }
                )*
            };
        }
    };
}

suite! {
    $;
    rollout::new_stores_have_generation_0,
    rollout::compare_and_set_replaces_the_state,
    rollout::states_and_changes_are_read_back_unchanged,
    rollout::compare_and_set_refuses_other_generations,
    rollout::one_of_many_concurrent_changes_succeeds,
    rollout::the_history_has_the_newest_change_first,
    rollout::the_history_is_append_only,
    publishing::unpublished_objects_are_not_found,
    publishing::artifacts_are_read_back_unchanged,
    publishing::artifacts_are_stored_once,
    publishing::artifacts_can_be_stored_concurrently,
    publishing::envelopes_are_read_back_unchanged,
    publishing::stored_envelopes_are_not_replaced,
    publishing::one_of_many_concurrent_envelopes_is_stored,
    publishing::releases_are_listed,
    publishing::artifacts_are_listed,
    publishing::removed_objects_are_not_found,
    publishing::removed_objects_can_be_stored_again,
    status::canaries_are_halted_once,
    status::one_of_many_concurrent_halts_is_stored,
    status::counts_are_added,
    status::concurrent_counts_are_all_added,
    status::runs_are_independent,
    status::load_reports_are_counted,
    status::the_last_load_failure_is_kept,
    status::concurrent_load_reports_are_all_counted,
    status::long_reasons_are_cut_between_characters,
}

/// The number of concurrent callers in a race.
const RACERS: usize = 16;

/// Returns a deadline that is later than any case needs.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Returns the release id of a number.
fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

/// Returns the current time, so that no store considers the status expired.
fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs [`RACERS`] calls at the same time and returns their results. Each call has its own thread, because it may
/// block.
fn race<T: Send>(one: impl AsyncFn(usize) -> T + Sync) -> Vec<T> {
    let runtime = Handle::current();
    let start = Barrier::new(RACERS);
    let run = |racer: usize| {
        start.wait();
        runtime.block_on(one(racer))
    };
    tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS).map(|racer| scope.spawn(move || run(racer))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        })
    })
}
