//! Conformance suites of the ports. Each implementation's tests run the suite of its port.
//!
//! The macros of storage and registry generate a test for each case. Their argument is an async function that creates a
//! new subject. A subject has two methods: `port()` returns the implementation, and `clock()` the [`TestClock`] that it
//! uses.
//!
//! - [`histories`]: histories of concurrent calls of storage, checked for linearizability
//! - [`messaging`]: a suite for the trait `Backend`, which each implementation's test provides
//! - [`registry`]: the cases of `registry_conformance!`
//! - [`storage`]: the cases of `storage_conformance!`

#![allow(clippy::unwrap_used, clippy::panic, reason = "the suites are tests")]

pub mod histories;
pub mod messaging;
pub mod registry;
pub mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_event::Timestamp;

use tidegate_ports::Deadline;

/// A clock that changes only when a test advances it. Clones share the time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// Creates a clock with the time `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.millis())))
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    /// Advances the time by a duration.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Default for TestClock {
    /// Creates a clock at a quarter of a second past a full second, so that rounding to seconds becomes visible.
    fn default() -> Self {
        Self::new(Timestamp(1_800_000_000_250))
    }
}

/// Returns a deadline that is later than any case needs.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Lists the cases of a suite once, for the function that runs one case and for the macro that generates the tests. A
/// case that is not listed is dead code, which the lints reject.
macro_rules! suite {
    ($d:tt $tests:ident, $suite:ident, $port:path; $($module:ident :: $case:ident,)*) => {
        /// Runs the case with this name.
        ///
        /// # Panics
        /// Panics if the port does not meet the expectations of the case.
        pub async fn run(case: &str, port: &dyn $port, clock: &$crate::TestClock) {
            match case {
                $(stringify!($case) => $module::$case(port, clock).await,)*
                _ => panic!("there is no case `{case}`"),
            }
        }

        /// Generates a test for each case. The argument is the path of an async function that creates a new subject.
        #[macro_export]
        macro_rules! $tests {
            ($d subject:path) => {
                $(
                    #[tokio::test]
                    async fn $case() {
                        let subject = $d subject().await;
                        $d crate::$suite::run(stringify!($case), subject.port(), subject.clock()).await;
                    }
                )*
            };
        }
    };
}
pub(crate) use suite;
