//! Releases that replace each other while events run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate_app::{App, Route};
use tidegate_app::{Grants, Limits};
use tidegate_runtime::{Engine, EngineOptions, Error, Retired};

use crate::events;
use crate::fixture::{Fixture, any, app_of, release, route};

/// The number of events under way at a time.
const CLIENTS: usize = 16;
/// The number of swaps under load.
const SWAPS: usize = 100;
/// The message that `echo` returns unchanged; the probe answers something else.
const MESSAGE: &str = "settings";

/// Returns an app in which this component answers.
fn answered_by(component: &str, grants: Grants) -> App {
    app_of([("chat", route(component, grants, true))])
}

async fn until_idle(retired: &Retired) {
    let idle = async {
        while !retired.is_idle() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), idle).await.expect("an event holds on to its release");
}

#[tokio::test]
async fn an_event_ends_on_the_release_that_it_began_on() {
    let limits = Limits { time: Duration::from_millis(500), ..Limits::default() };
    let spinning = app_of([("spins", Route { limits, ..route("probe", any(), true) })]);
    let fixture = Fixture::with(Engine::new(EngineOptions::local()).unwrap(), spinning).unwrap();
    let before = fixture.host.release();
    let event = events::message("spins", "spin");
    let mut under_way = std::pin::pin!(fixture.dispatch(&event));
    tokio::select! {
        biased;
        _ = &mut under_way => panic!("it spins"),
        () = std::future::ready(()) => {}
    }
    let retired = fixture.activate(&release(answered_by("echo", Grants::default()))).unwrap();
    assert_eq!(*retired.release(), before);
    assert_ne!(fixture.host.release(), before);
    assert_eq!(fixture.probe("chat", MESSAGE).await, MESSAGE);
    assert!(!retired.is_idle());
    let outcome = under_way.await;
    // The new release has no such route, which would be another error.
    assert_eq!(outcome.response.unwrap_err().error_type, "Tidegate.Timeout");
    drop(outcome.after);
    until_idle(&retired).await;
    assert_eq!(fixture.failure("spins", "spin").await.error_type, "Tidegate.NoRoute");
}

#[tokio::test]
async fn a_release_that_is_refused_changes_nothing() {
    let engine = Engine::new(EngineOptions::on_demand(1)).unwrap();
    let fixture = Fixture::with(engine, answered_by("echo", Grants::default())).unwrap();
    let before = fixture.host.release();
    let refused = fixture.activate(&release(answered_by("probe", Grants::default())));
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(fixture.host.release(), before);
    assert_eq!(fixture.probe("chat", MESSAGE).await, MESSAGE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_lose_no_event_and_free_replaced_releases() {
    for options in [EngineOptions::local(), EngineOptions::on_demand(u32::try_from(CLIENTS).unwrap())] {
        let echo = answered_by("echo", Grants::default());
        let probe = answered_by("probe", any());
        let echo = release(echo);
        let probe = release(probe);
        let fixture =
            Arc::new(Fixture::with(Engine::new(options).unwrap(), answered_by("echo", Grants::default())).unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let fixture = Arc::clone(&fixture);
                let stop = Arc::clone(&stop);
                tokio::spawn(async move {
                    let mut answers = BTreeMap::new();
                    while !stop.load(Ordering::Relaxed) {
                        *answers.entry(fixture.probe("chat", MESSAGE).await).or_insert(0_u64) += 1;
                    }
                    answers
                })
            })
            .collect();
        let mut retired = Vec::new();
        for number in 0..SWAPS {
            let next = if number % 2 == 0 { &probe } else { &echo };
            retired.push(fixture.activate(next).unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.store(true, Ordering::Relaxed);
        let mut seen = BTreeMap::new();
        for client in clients {
            // A failed event ends its client.
            for (answer, count) in client.await.unwrap() {
                *seen.entry(answer).or_insert(0) += count;
            }
        }
        assert_eq!(seen.len(), 2, "each of both answered: {seen:?}");
        assert!(seen.contains_key(MESSAGE), "{seen:?}");
        for retired in &retired {
            until_idle(retired).await;
        }
    }
}
