//! Guests that fail or never end do not affect the others.

use std::sync::Arc;
use std::time::Duration;

use tidegate_app::{Limits, Route};
use tidegate_event::RouteKey;
use tidegate_ports::Deadline;
use tidegate_runtime::{Engine, EngineOptions};
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::fixture::{self, Fixture, any, app, app_of, route};
use crate::world::MEETING;

/// One thread is the hardest case: a guest that does not yield blocks all others.
#[tokio::test]
async fn looping_guests_do_not_keep_others_from_running() {
    let fixture = Arc::new(Fixture::new());
    let spin = events::message("any", "spin");
    let spinning = async || fixture.host.dispatch(&spin, Deadline::after(Duration::from_secs(5))).await;
    let others = async {
        for _ in 0..20 {
            assert_eq!(fixture.probe("any", "echo").await, "echo");
        }
    };
    tokio::select! {
        biased;
        _ = spinning() => panic!("the first loop ended before others had run"),
        _ = spinning() => panic!("the second loop ended before others had run"),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looping_guests_end_at_their_deadlines() {
    let fixture = Fixture::new();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let host = Arc::clone(&fixture.host);
            let spin = events::message("any", "spin");
            tokio::spawn(async move { host.dispatch(&spin, Deadline::after(Duration::from_millis(300))).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().response.unwrap_err().error_type, "Tidegate.Timeout");
    }
    assert_eq!(fixture.probe("any", "echo").await, "echo");
}

#[tokio::test]
async fn many_looping_guests_on_many_routes_do_not_keep_others_from_running() {
    let names: Vec<String> = (0..12).map(|index| format!("loop-{index}")).collect();
    let mut app = app_of([("any", route("probe", any(), true))]);
    for name in &names {
        app.routes.insert(RouteKey::new(name.as_str()).unwrap(), route("probe", any(), true));
    }
    let fixture = Arc::new(Fixture::with(Engine::new(EngineOptions::pooling(64)).unwrap(), app).unwrap());
    let mut loops = tokio::task::JoinSet::new();
    for event in names.iter().cycle().take(36).map(|name| events::message(name, "spin")) {
        let host = Arc::clone(&fixture.host);
        loops.spawn(async move { host.dispatch(&event, Deadline::after(Duration::from_secs(29))).await });
    }
    for _ in 0..50 {
        assert_eq!(fixture.probe("any", "echo").await, "echo");
        assert!(loops.try_join_next().is_none(), "a loop ended before the others had run");
    }
    loops.shutdown().await;
    assert_eq!(fixture.probe("any", "echo").await, "echo", "the slots are free again");
}

#[tokio::test]
async fn guests_that_sleep_leave_slots_for_other_routes() {
    let fixture = Arc::new(Fixture::new());
    let mut sleepers = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let host = Arc::clone(&fixture.host);
        let event = events::message("any", "sleep 9000");
        sleepers.spawn(async move { host.dispatch(&event, Deadline::after(Duration::from_secs(29))).await });
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
        fixture.reply(&events::message("echo", "hello")).await.unwrap();
        fixture.reply(&events::connect("echo")).await.unwrap();
    }
    assert!(sleepers.try_join_next().is_none(), "a sleeper ended before the others had run");
}

#[tokio::test]
async fn cpu_time_is_limited_even_if_the_guest_calls_the_host_between() {
    for options in [EngineOptions::on_demand(4), EngineOptions::pooling(4)] {
        let cpu = Duration::from_millis(50);
        let limits = Limits { cpu, ..fixture::limits() };
        let app = app_of([("any", Route { limits, ..route("probe", any(), true) })]);
        let fixture = Fixture::with(Engine::new(options).unwrap(), app).unwrap();
        for behaviour in ["spin", "spin_and_call"] {
            assert_eq!(fixture.failure("any", behaviour).await.error_type, "Tidegate.CpuTime", "{behaviour}");
        }
        assert_eq!(fixture.probe("any", "sleep 200").await, "rested", "a guest that waits uses no CPU time");
    }
}

#[tokio::test]
async fn an_event_whose_client_has_left_does_not_begin() {
    let fixture = Fixture::with(Engine::new(EngineOptions::pooling(1)).unwrap(), app()).unwrap();
    let sleeper = events::message("any", "sleep 9000");
    let deadline = Deadline::after(Duration::from_secs(29));
    let client = CancellationToken::new();
    client.cancel();
    let others = async {
        let outcome = fixture.host.dispatch_for(&events::message("echo", "hello"), deadline, client.clone()).await;
        assert_eq!(outcome.response.unwrap_err().error_type, "Tidegate.Abandoned");
        assert_eq!(outcome.fault, None, "a client cannot charge the release");
    };
    tokio::select! {
        biased;
        _ = fixture.host.dispatch(&sleeper, deadline) => panic!("the sleeper ended first"),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_beyond_the_slots_wait_their_turn() {
    // Half of the slots are guaranteed to `$connect`.
    let slots = u32::try_from(MEETING * 2).unwrap();
    for options in [EngineOptions::on_demand(slots), EngineOptions::pooling(slots)] {
        let fixture = Fixture::with(Engine::new(options).unwrap(), app()).unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let host = Arc::clone(&fixture.host);
                let event = events::message("any", "storage_waits meeting");
                tokio::spawn(async move {
                    let deadline = Deadline::after(Duration::from_secs(29));
                    let outcome = host.dispatch(&event, deadline).await;
                    // An event keeps its slot until its store is dropped, which is after the response.
                    outcome.after.run(deadline).await;
                    outcome.response
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(fixture.world.data().meeting, (0, MEETING), "as many as the route may hold, and never more");
    }
}

#[tokio::test]
async fn a_warm_instance_serves_one_event() {
    let fixture = Fixture::with(Engine::new(EngineOptions::on_demand(4)).unwrap(), app()).unwrap();
    let deadline = Deadline::after(Duration::from_secs(29));
    assert!(!fixture.host.is_warm("any"));
    for _ in 0..3 {
        // A static counter of the guest starts at zero in each instance.
        let outcome = fixture.host.dispatch(&events::message("any", "counter"), deadline).await;
        assert!(!fixture.host.is_warm("any"), "the warm instance is used up");
        let reply = outcome.response.unwrap();
        assert!(String::from_utf8(reply).unwrap().contains(r#""body":"0""#));
        outcome.after.run(deadline).await;
        assert!(fixture.host.is_warm("any"));
    }
}

#[tokio::test]
async fn the_route_that_ran_last_has_the_warm_instance() {
    let fixture = Fixture::with(Engine::new(EngineOptions::on_demand(1)).unwrap(), app()).unwrap();
    for [route, other] in [["any", "echo"], ["echo", "any"], ["any", "echo"]] {
        fixture.reply(&events::message(route, "echo")).await.unwrap();
        assert!(fixture.host.is_warm(route));
        assert!(!fixture.host.is_warm(other), "there is room for one");
    }
}

#[tokio::test]
async fn an_event_without_a_free_slot_is_a_function_error() {
    let fixture = Fixture::with(Engine::new(EngineOptions::on_demand(1)).unwrap(), app()).unwrap();
    let waits = events::message("any", "storage_waits");
    let echo = events::message("any", "echo");
    let holder = fixture.host.dispatch(&waits, Deadline::after(Duration::from_secs(5)));
    let refused = async {
        let outcome = fixture.host.dispatch(&echo, Deadline::after(Duration::from_millis(200))).await;
        outcome.response.unwrap_err()
    };
    tokio::select! {
        biased;
        _ = holder => panic!("the slot came free"),
        error = refused => assert_eq!(error.error_type, "Tidegate.Busy"),
    }
    assert_eq!(fixture.probe("any", "echo").await, "echo", "a dropped call gives its slot back");
}

#[tokio::test]
async fn every_allocation_runs_the_same_guests() {
    for options in [EngineOptions::on_demand(1), EngineOptions::pooling(1)] {
        let fixture = Fixture::with(Engine::new(options).unwrap(), app()).unwrap();
        assert_eq!(fixture.probe("any", "documents").await, "stored");
        assert_eq!(fixture.failure("any", "memory").await.error_type, "Tidegate.Trap");
        for _ in 0..3 {
            assert_eq!(fixture.probe("any", "counter").await, "0");
        }
    }
}
