//! What every [`Store`] keeps to: a suite that each implementation runs.
//!
//! `store_conformance!` makes a test of each case, so that a failure has a name. It is given an async function that makes
//! a fresh subject, whose method `store()` is the empty store under test.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "the suite is tests")]

mod activating;
mod publishing;
mod status;

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tokio::runtime::Handle;

use tidegate_release::id::ReleaseId;
use tidegate_release::store::ReleaseWriter;

/// Lists the cases once, for the function that runs one and for the macro that makes tests of all. A case that is not
/// listed is dead code, which the lints refuse.
macro_rules! suite {
    ($d:tt; $($module:ident :: $case:ident,)*) => {
        /// Runs the case of this name, in a runtime of several threads.
        ///
        /// # Panics
        /// When the store does not do what the case expects.
        pub async fn run(case: &str, store: &dyn ReleaseWriter) {
            match case {
                $(stringify!($case) => $module::$case(store).await,)*
                _ => panic!("there is no case `{case}`"),
            }
        }

        /// Makes a test of each case. The argument is the path of an async function that makes a fresh subject.
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
    activating::a_fresh_pointer_is_of_generation_0,
    activating::an_advance_is_the_pointer,
    activating::a_pointer_and_its_change_come_back_whole,
    activating::an_advance_from_another_generation_changes_nothing,
    activating::one_of_many_advances_at_once_wins,
    activating::history_is_newest_first,
    activating::history_is_only_appended_to,
    publishing::what_was_never_published_is_not_found,
    publishing::artifacts_keep_their_bytes,
    publishing::an_artifact_is_stored_once,
    publishing::an_artifact_may_be_put_many_times_at_once,
    publishing::envelopes_keep_their_bytes,
    publishing::the_first_envelope_is_kept,
    publishing::one_of_many_envelopes_at_once_is_kept,
    publishing::releases_are_listed,
    publishing::artifacts_are_listed,
    publishing::what_is_removed_is_gone,
    publishing::what_was_removed_can_be_put_again,
    status::a_canary_is_halted_once,
    status::one_of_many_halts_at_once_holds,
    status::counts_add_up,
    status::counts_at_once_lose_nothing,
    status::runs_do_not_see_each_other,
    status::reports_are_counted,
    status::the_last_failure_is_kept,
    status::reports_at_once_lose_nothing,
    status::long_reasons_are_cut_between_characters,
}

/// How many callers race for the same thing.
const RACERS: usize = 16;

/// A deadline that no case comes near.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// The release of this number.
fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

/// A time that no store takes for long past.
fn now() -> Timestamp {
    Timestamp::now()
}

/// What each of [`RACERS`] calls answers that run at once, each in a thread of its own, so that calls race which block
/// their thread.
fn race<T: Send>(one: impl AsyncFn(usize) -> T + Sync) -> Vec<T> {
    let (runtime, start) = (Handle::current(), Barrier::new(RACERS));
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
