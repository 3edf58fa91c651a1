//! Jumps of the wall clock: on a developer's machine after a suspend, or when its clock is set.

use crate::app;
use crate::clock::Clock;
use crate::events;
use crate::process::{Bootstrap, setup};
use crate::release_store::Store;

const HOUR: i64 = 3_600;

/// Connects, writes documents, joins groups and disconnects. The guest asserts the values.
async fn live(bootstrap: &Bootstrap) {
    assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200);
    assert_eq!(bootstrap.text(events::message("any", "transactions")).await, "all or none");
    assert_eq!(bootstrap.text(events::message("any", "groups lobby")).await, "lobby");
    assert_eq!(bootstrap.text(events::message("any", "attributes")).await, "ann");
    assert_eq!(bootstrap.reply(events::disconnect("echo")).await.status, 200);
}

#[tokio::test]
async fn connections_live_from_beginning_to_end_at_any_time() {
    let clock = Clock::new();
    let bootstrap = clock.set(setup(&app()).await).start().await;
    // DynamoDB keeps the real time, and refuses signatures that are five minutes off.
    for hours in [0, 1, -1, 26, -26, 0] {
        clock.set_wall(hours * HOUR);
        live(&bootstrap).await;
    }
}

#[tokio::test]
async fn jumps_between_events_lose_no_connection_within_its_lifetime() {
    let clock = Clock::new();
    let bootstrap = clock.set(setup(&app()).await).start().await;
    assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200);
    for hours in [1, 2, -1, -26, 0] {
        clock.set_wall(hours * HOUR);
        assert_eq!(bootstrap.text(events::message("any", "groups lobby")).await, "lobby", "{hours} hours ahead");
    }
    // No connection lives longer than two hours, so its row has expired.
    clock.set_wall(3 * HOUR);
    bootstrap.invoke(events::message("any", "groups lobby")).await.unwrap_err();
    clock.set_wall(0);
    assert_eq!(bootstrap.text(events::message("any", "groups lobby")).await, "lobby");
    assert_eq!(bootstrap.reply(events::disconnect("echo")).await.status, 200);
}

#[tokio::test]
async fn releases_are_followed_whatever_the_wall_clock_does() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    assert!(!bootstrap.is_probed().await);
    let release = store.publish(&crate::release_store::probed()).await;
    for hours in [-3, 3] {
        store.activate(&release).await;
        clock.set_wall(hours * HOUR);
        assert!(bootstrap.is_probed_soon(&clock).await, "{hours} hours ahead");
        store
            .move_to(tidegate_release::rollout::Action::Rollback, |old| tidegate_release::RolloutState {
                active: None,
                generation: old.generation + 1,
                ..old.clone()
            })
            .await;
        assert!(!bootstrap.is_probed_soon(&clock).await, "{hours} hours ahead");
    }
}
