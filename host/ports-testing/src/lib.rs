//! One suite a port, which each implementation runs.
//!
//! The macros of storage and registry make a test of each case, so that a failure has a name. They are given an async
//! function that makes a fresh subject with two methods: `port()`, the implementation, and `clock()`, the [`TestClock`]
//! it goes by.
//!
//! - [`messaging`]: its own `Backend` trait is what an implementation is tested through
//! - [`registry`]: tests of `registry_conformance!`
//! - [`storage`]: tests of `storage_conformance!`

#![allow(clippy::unwrap_used, clippy::panic, reason = "the suites are tests")]

pub mod messaging;
pub mod registry;
pub mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_event::Timestamp;

use tidegate_ports::Deadline;

/// A clock that stands still until it is moved. Clones are one clock.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.millis())))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Default for TestClock {
    /// A clock at a quarter of a second past a whole one, so that rounding to seconds shows.
    fn default() -> Self {
        Self::new(Timestamp(1_800_000_000_250))
    }
}

/// A deadline that no case comes near.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Lists the cases of a suite once, for the function that runs one and for the macro that makes tests of all. A case
/// that is not listed is dead code, which the lints refuse.
macro_rules! suite {
    ($d:tt $tests:ident, $suite:ident, $port:path; $($module:ident :: $case:ident,)*) => {
        /// Runs the case of this name.
        ///
        /// # Panics
        /// When the port does not do what the case expects.
        pub async fn run(case: &str, port: &dyn $port, clock: &$crate::TestClock) {
            match case {
                $(stringify!($case) => $module::$case(port, clock).await,)*
                _ => panic!("there is no case `{case}`"),
            }
        }

        /// Makes a test of each case. The argument is the path of an async function that makes a fresh subject.
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
