//! Configuration values that change while a process lives.

use std::time::Duration;

use crate::app;
use crate::clock::Clock;
use crate::events;
use crate::process::{Bootstrap, setup};

const PLAN: &str = "/tidegate/probe/dev/plan";
/// The value that the guest expects; with any other it traps.
const GOLD: &str = "gold";

impl Bootstrap {
    /// Returns true if the guest finds the plan that it expects. The post-response phase is over when it returns.
    async fn finds_gold(&self) -> bool {
        let found = self.invoke(events::message("any", "settings")).await.is_ok();
        crate::process::soon(self.api.idle()).await;
        found
    }
}

#[tokio::test]
async fn values_are_refreshed_after_a_minute() {
    let clock = Clock::new();
    let setup = clock.set(setup(&app()).await);
    setup.aws.set_parameter(PLAN, "silver");
    let bootstrap = setup.start().await;
    assert!(!bootstrap.finds_gold().await);
    bootstrap.aws.set_parameter(PLAN, GOLD);
    clock.advance(Duration::from_secs(50));
    assert!(!bootstrap.finds_gold().await);
    assert!(!bootstrap.finds_gold().await, "it was read before it was a minute old");
    clock.advance(Duration::from_secs(61));
    // The event itself does not wait for the values.
    assert!(!bootstrap.finds_gold().await);
    assert!(bootstrap.finds_gold().await);
}

#[tokio::test]
async fn cached_values_survive_a_failed_refresh() {
    let clock = Clock::new();
    let bootstrap = clock.set(setup(&app()).await).start().await;
    assert!(bootstrap.finds_gold().await);
    bootstrap.aws.fail_parameters(Some((400, "AccessDeniedException")));
    clock.advance(Duration::from_secs(61));
    for _ in 0..3 {
        assert!(bootstrap.finds_gold().await);
    }
    let line = bootstrap.logged("cannot refresh the configuration").await;
    assert_eq!(line["level"], "WARN");
}
