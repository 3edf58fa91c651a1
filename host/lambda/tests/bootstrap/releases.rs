//! Releases that are published while a process lives.

use std::time::Duration;

use serde_json::Value;
use tidegate_event::Connection;
use tidegate_release::rollout::{Action, RolloutState, TrafficWeight};
use tidegate_release::store::Consistency;
use tidegate_release::{Digest, SigningKey};

use crate::clock::Clock;
use crate::events::{self, OWN};
use crate::process::{Bootstrap, setup, soon};
use crate::release_store::{STALE, Store, THAWED, probed, soon_enough, with_time};
use crate::{app, guests};

#[tokio::test]
async fn a_new_release_takes_over_after_the_event_that_read_it() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    assert!(!bootstrap.is_probed().await);
    let release = store.publish(&probed()).await;
    store.activate(&release).await;
    assert!(!bootstrap.is_probed().await, "the snapshot is read at most once a poll interval");
    clock.advance_more(STALE);
    assert!(!bootstrap.is_probed().await, "no event waits for a release");
    assert!(bootstrap.is_probed().await);
    let line = bootstrap.logged("has taken the place of").await;
    assert_eq!((&line["level"], &line["release"]), (&"INFO".into(), &release.as_str().into()));
    // A rollback leads back to the release of the package.
    store
        .move_to(Action::Rollback, |old| RolloutState { active: None, generation: old.generation + 1, ..old.clone() })
        .await;
    assert!(!bootstrap.is_probed_soon(&clock).await);
}

#[tokio::test]
async fn the_first_event_after_a_long_thaw_runs_on_the_new_release() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    assert!(!bootstrap.is_probed().await);
    let release = store.publish(&probed()).await;
    bootstrap.freeze(true);
    store.activate(&release).await;
    clock.advance_more(THAWED);
    bootstrap.freeze(false);
    assert!(bootstrap.is_probed().await);
}

#[tokio::test]
async fn a_start_runs_the_active_release_or_that_of_the_package() {
    let store = Store::new();
    let clock = Clock::new();
    let release = store.publish(&probed()).await;
    store.activate(&release).await;
    let bootstrap = store.start(&clock).await;
    assert!(bootstrap.is_probed().await);
    // The values are read once, although the release of the package and the active one need them.
    let unset = |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains("dev/unset"));
    assert_eq!(bootstrap.lines().iter().filter(unset).count(), 1);
    for artifact in store.files("artifacts") {
        std::fs::write(artifact, "altered").unwrap();
    }
    let bootstrap = store.start(&clock).await;
    assert!(!bootstrap.is_probed().await);
    assert!(store.failure(&release).await.contains("was altered"));
}

#[tokio::test]
async fn the_authorizer_loads_its_own_components_only() {
    let store = Store::new();
    let clock = Clock::new();
    let mut app = app();
    app.authorizer.as_mut().unwrap().limits.time = Duration::from_secs(9);
    let release = store.publish(&app).await;
    store.activate(&release).await;
    let setup = store.followed_by(clock.set(setup(&crate::app()).await));
    // An authorizer that loaded the artifacts of the routes would fail here, because they are missing.
    let own = Digest::of(&std::fs::read(guests::artifact("authorizer")).unwrap()).to_string();
    for artifact in store.files("artifacts").iter().filter(|path| !path.to_str().unwrap().contains(&own)) {
        std::fs::remove_file(artifact).unwrap();
    }
    let bootstrap = setup.set("TIDEGATE_FUNCTION", "authorizer").start().await;
    bootstrap.invoke(events::authorize("allow")).await.unwrap();
    let line = bootstrap.logged("has taken the place of").await;
    assert_eq!(line["release"], release.as_str());
    let metrics = bootstrap.line(|line| line["Route"] == "authorizer").await;
    assert_eq!(metrics["Release"], release.as_str());
}

/// Each case is a release, the code of its refusal, and a value that the reason names.
#[tokio::test]
async fn untrusted_and_incompatible_releases_are_refused_and_reported() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    let stranger = SigningKey::generate().unwrap();
    let mut named = probed();
    named.name = "other".to_owned();
    let mut routed = probed();
    let route = routed.routes["any"].clone();
    routed.routes.insert(tidegate_event::RouteKey::new("more").unwrap(), route);
    let mut ungranted = probed();
    for route in ungranted.routes.values_mut() {
        route.grants = Default::default();
    }
    let own = || [store.key_copy()];
    let cases = [
        (store.publish_as(&probed(), &[stranger], |_| {}).await, "key-untrusted", "`dev`"),
        (
            store.publish_as(&probed(), &own(), |content| content.engine = "wasmtime-1.0.0/1".to_owned()).await,
            "release-incompatible",
            "wasmtime-1.0.0/1",
        ),
        (store.publish_as(&named, &own(), |_| {}).await, "release-other-app", "`other`"),
        (store.publish_as(&routed, &own(), |_| {}).await, "routing-differs", "`more`"),
        (store.publish_as(&ungranted, &own(), |_| {}).await, "component-grant-missing", "grant"),
        ("0123456789abcdef".parse().unwrap(), "store-not-found", "0123456789abcdef"),
    ];
    for (release, code, reason) in cases {
        store.activate(&release).await;
        assert!(!bootstrap.is_probed_soon(&clock).await, "{reason}");
        let line = bootstrap.line(|line| line["release"] == release.as_str() && line["level"] == "ERROR").await;
        assert_eq!(line["code"], code, "{line}");
        assert!(line["message"].as_str().unwrap().contains(reason), "{line}");
        assert!(store.failure(&release).await.contains(reason));
        let metric = bootstrap.line(|line| line["ReleaseFailures"] == 1 && line["Release"] == release.as_str()).await;
        assert_eq!((&metric["App"], &metric["Stage"]), (&"probe".into(), &"dev".into()));
    }
    let release = store.publish_as(&with_time(&probed(), 8), &own(), |_| {}).await;
    store.activate(&release).await;
    assert!(bootstrap.is_probed_soon(&clock).await, "{:?}", bootstrap.lines().last());
}

#[tokio::test]
async fn a_malformed_pointer_changes_nothing_until_it_is_repaired() {
    let store = Store::new();
    let clock = Clock::new();
    let release = store.publish(&probed()).await;
    store.activate(&release).await;
    let bootstrap = store.start(&clock).await;
    assert!(bootstrap.is_probed().await);
    let pointer = store.folder.path().join("pointer.json");
    let whole = std::fs::read(&pointer).unwrap();
    for broken in [&whole[..whole.len() / 2], b"garbage", b""] {
        std::fs::write(&pointer, broken).unwrap();
        assert!(bootstrap.is_probed_soon(&clock).await, "{:?}", bootstrap.lines());
        clock.advance_more(THAWED);
        assert!(bootstrap.is_probed().await, "the event does not fail");
    }
    assert_eq!(bootstrap.logged("cannot read the rollout state").await["level"], "WARN");
    std::fs::write(&pointer, whole).unwrap();
    let release = store.publish(&app()).await;
    store.activate(&release).await;
    assert!(!bootstrap.is_probed_soon(&clock).await);
}

#[tokio::test]
async fn a_canary_is_counted_and_halted_above_its_budget() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    let release = store.publish(&probed()).await;
    store.canary(&release, 2).await;
    assert!(bootstrap.is_probed_soon(&clock).await);
    for _ in 0..2 {
        bootstrap.invoke(events::message("echo", "trap")).await.unwrap_err();
    }
    soon(bootstrap.api.idle()).await;
    assert!(bootstrap.is_probed().await, "two are within the budget");
    let metrics = bootstrap.line(|line| line["Track"] == "canary").await;
    assert_eq!(metrics["Release"], release.as_str());
    bootstrap.invoke(events::message("echo", "trap")).await.unwrap_err();
    soon(bootstrap.api.idle()).await;
    assert!(!bootstrap.is_probed().await);
    let run = store.store.rollout_state(Consistency::Strong, soon_enough()).await.unwrap().canary.unwrap().run;
    let halt = store.store.halt(run, soon_enough()).await.unwrap().unwrap();
    assert_eq!((&halt.release, halt.reason.as_str()), (&release, "3 failures, and its error budget is 2"));
    assert_eq!(store.store.canary_counts(run, soon_enough()).await.unwrap().traps, 3);
    let line = bootstrap.logged("the canary is halted").await;
    assert_eq!((&line["level"], &line["release"]), (&"ERROR".into(), &release.as_str().into()));
    bootstrap.line(|line| line["CanaryHalts"] == 1 && line["Release"] == release.as_str()).await;
    // The halt holds for this process, and for one that starts later.
    assert!(!bootstrap.is_probed_soon(&clock).await);
    assert!(!store.start(&clock).await.is_probed().await);
    // The line of the trap names the release that trapped.
    assert_eq!(bootstrap.logged("the route trapped").await["release"], release.as_str());
}

#[tokio::test]
async fn a_halt_by_another_host_is_honoured() {
    let store = Store::new();
    let clock = Clock::new();
    let first = store.start(&clock).await;
    let second = store.start(&clock).await;
    let release = store.publish(&probed()).await;
    store.canary(&release, 1).await;
    assert!(first.is_probed_soon(&clock).await && second.is_probed_soon(&clock).await);
    // Each host is within the budget; both together exceed it.
    for bootstrap in [&first, &second] {
        bootstrap.invoke(events::message("echo", "trap")).await.unwrap_err();
        soon(bootstrap.api.idle()).await;
    }
    assert!(!first.is_probed_soon(&clock).await && !second.is_probed_soon(&clock).await);
    let halts = |bootstrap: &Bootstrap| {
        let is_halt = |line: &Value| line["message"].as_str().is_some_and(|it| it.contains("the canary is halted"));
        bootstrap.lines().iter().filter(|line| is_halt(line)).count()
    };
    assert_eq!((halts(&first), halts(&second)), (1, 1));
}

#[tokio::test]
async fn promoting_a_canary_loads_nothing_again() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    let release = store.publish(&probed()).await;
    store.canary(&release, 0).await;
    assert!(bootstrap.is_probed_soon(&clock).await);
    for artifact in store.files("artifacts") {
        std::fs::remove_file(artifact).unwrap();
    }
    store.move_to(Action::Promote, |old| old.promote(None).unwrap()).await;
    assert!(bootstrap.is_probed_soon(&clock).await);
    bootstrap.logged("has taken the place of").await;
    assert_eq!(store.store.load_reports(soon_enough()).await.unwrap()[&release].failed, 0);
}

#[tokio::test]
async fn configuration_of_a_new_release_is_read_before_it_runs() {
    let store = Store::new();
    let clock = Clock::new();
    let mut more = probed();
    for route in more.routes.values_mut() {
        route.grants.config.insert("more".to_owned());
    }
    let bootstrap = store.start(&clock).await;
    let release = store.publish(&more).await;
    assert!(!bootstrap.is_probed().await);
    bootstrap.aws.fail_parameters(Some((400, "AccessDeniedException")));
    store.activate(&release).await;
    assert!(!bootstrap.is_probed_soon(&clock).await);
    assert!(store.failure(&release).await.contains("make deploy"));
    bootstrap.aws.fail_parameters(None);
    // A refused release is in its back-off.
    clock.advance_more(THAWED);
    assert!(bootstrap.is_probed_soon(&clock).await);
}

#[tokio::test]
async fn a_canary_is_chosen_by_the_connection_of_the_event() {
    let store = Store::new();
    let clock = Clock::new();
    let bootstrap = store.start(&clock).await;
    let release = store.publish(&probed()).await;
    let half = TrafficWeight::new(5_000).unwrap();
    store.move_to(Action::Canary, |old| old.canary(&release, half, 0, None, false).unwrap()).await;
    clock.advance_more(STALE);
    bootstrap.is_probed().await;
    let Connection { id, .. } = events::connection(OWN);
    let takes = tidegate_release::rollout::canary_serves(&release, half, &id);
    for _ in 0..5 {
        assert_eq!(bootstrap.is_probed().await, takes);
    }
}

#[tokio::test]
async fn the_last_good_release_survives_an_outage_of_aws() {
    let clock = Clock::new();
    let (store, setup) = Store::on_aws(clock.set(setup(&app()).await));
    let bootstrap = setup.start().await;
    assert!(!bootstrap.is_probed().await);
    let release = store.publish(&probed()).await;
    store.activate(&release).await;
    bootstrap.aws.fail_dynamodb(Some((400, "ThrottlingException")));
    assert!(!bootstrap.is_probed_soon(&clock).await);
    clock.advance_more(THAWED);
    assert!(!bootstrap.is_probed().await, "an event does not wait for the pointer for long");
    bootstrap.logged("cannot read the rollout state").await;
    bootstrap.aws.fail_dynamodb(None);
    // The load continues after the event: S3 is retried for longer than the event waits.
    bootstrap.aws.fail_objects(Some(503));
    assert!(!bootstrap.is_probed_soon(&clock).await);
    bootstrap.logged("was not refreshed within 50 ms").await;
    let line = bootstrap.logged("cannot run the release").await;
    assert_eq!((&line["level"], &line["release"]), (&"ERROR".into(), &release.as_str().into()));
    // On a busy machine, an attempt may end without an answer. The next one reports what S3 said.
    for _ in 0..5 {
        if store.failure(&release).await.contains("InternalError") {
            break;
        }
        clock.advance_more(THAWED);
        assert!(!bootstrap.is_probed_soon(&clock).await);
    }
    assert!(store.failure(&release).await.contains("InternalError"));
    bootstrap.aws.fail_objects(None);
    clock.advance_more(THAWED);
    assert!(bootstrap.is_probed_soon(&clock).await, "{:?}", bootstrap.lines().last());
    // The table has the report of the host, and a rollback needs no further write.
    assert_eq!(store.store.load_reports(soon_enough()).await.unwrap()[&release].loaded, 1);
    bootstrap.aws.fail_objects(Some(503));
    store
        .move_to(Action::Rollback, |old| RolloutState { active: None, generation: old.generation + 1, ..old.clone() })
        .await;
    assert!(!bootstrap.is_probed_soon(&clock).await);
}

#[tokio::test]
async fn a_canary_is_halted_by_the_counts_in_the_table() {
    let clock = Clock::new();
    let (store, setup) = Store::on_aws(clock.set(setup(&app()).await));
    let bootstrap = setup.start().await;
    let release = store.publish(&probed()).await;
    assert!(!bootstrap.is_probed().await);
    store.canary(&release, 0).await;
    assert!(bootstrap.is_probed_soon(&clock).await);
    bootstrap.invoke(events::message("echo", "trap")).await.unwrap_err();
    soon(bootstrap.api.idle()).await;
    assert!(!bootstrap.is_probed().await);
    let run = store.store.rollout_state(Consistency::Strong, soon_enough()).await.unwrap().canary.unwrap().run;
    assert_eq!(store.store.halt(run, soon_enough()).await.unwrap().unwrap().release, release);
    bootstrap.line(|line| line["CanaryHalts"] == 1).await;
}

#[tokio::test]
async fn a_halt_that_cannot_be_published_is_published_later() {
    let clock = Clock::new();
    let (store, setup) = Store::on_aws(clock.set(setup(&app()).await));
    let bootstrap = setup.start().await;
    let release = store.publish(&probed()).await;
    assert!(!bootstrap.is_probed().await);
    store.canary(&release, 0).await;
    assert!(bootstrap.is_probed_soon(&clock).await);
    bootstrap.aws.fail_dynamodb(Some((400, "ThrottlingException")));
    bootstrap.invoke(events::message("echo", "trap")).await.unwrap_err();
    soon(bootstrap.api.idle()).await;
    // A host protects its own events, even if it cannot reach the store.
    assert!(!bootstrap.is_probed().await);
    bootstrap.logged("cannot publish the halt").await;
    bootstrap.aws.fail_dynamodb(None);
    let run = store.store.rollout_state(Consistency::Strong, soon_enough()).await.unwrap().canary.unwrap().run;
    assert_eq!(store.store.halt(run, soon_enough()).await.unwrap(), None);
    assert!(!bootstrap.is_probed().await);
    let halt = store.store.halt(run, soon_enough()).await.unwrap().unwrap();
    assert_eq!((halt.release, halt.reason.as_str()), (release, "1 failures, and its error budget is 0"));
}
