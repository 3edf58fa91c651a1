use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tidegate_event::ConnectionId;
use tokio::task::JoinSet;

use super::*;
use crate::context::tests::context;

fn context_of(connection: &str) -> Arc<EventContext> {
    Arc::new(EventContext { connection_id: ConnectionId::new(connection).unwrap(), ..context() })
}

/// Uses CPU time in slices of about a millisecond, like a guest that computes.
async fn compute(slices: usize, mut after_each: impl FnMut()) {
    for _ in 0..slices {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1) {}
        after_each();
        end_of_slice().await;
    }
}

#[tokio::test]
async fn a_guest_that_ends_its_slice_continues_on_a_guest_thread() {
    let scheduler = Scheduler::start(1).unwrap();
    let flight = scheduler.begin(&Arc::default(), &context_of("a"));
    let name = || std::thread::current().name().map(str::to_owned);
    let call = async move {
        let first = name();
        end_of_slice().await;
        let second = name();
        let during_call = on_executor(async { name() }).await;
        (first, second, during_call, name())
    };
    let (first, second, during_call, last) = scheduler.run(flight, None, call).await.unwrap();
    assert_eq!((&second, &last), (&Some("tidegate-guest-0".to_owned()), &Some("tidegate-guest-0".to_owned())));
    assert_ne!(first, second);
    assert_eq!(during_call, first, "a host call runs on the executor");
}

#[tokio::test]
async fn routes_share_a_guest_thread_whatever_their_number_of_events() {
    let scheduler = Arc::new(Scheduler::start(1).unwrap());
    let slices = Arc::new(Mutex::new(BTreeMap::<&str, usize>::new()));
    let mut runs = JoinSet::new();
    let routes: [(&'static str, usize); 2] = [("busy", 16), ("quiet", 1)];
    for (route, events) in routes {
        let account = Arc::<Account>::default();
        for event in 0..events {
            let flight = scheduler.begin(&account, &context_of(&format!("{route}-{event}")));
            let (scheduler, slices) = (Arc::clone(&scheduler), Arc::clone(&slices));
            runs.spawn(async move {
                let count = move || *slices.lock().unwrap().entry(route).or_default() += 1;
                scheduler.run(flight, None, compute(if route == "quiet" { 40 } else { 1_000 }, count)).await;
                route
            });
        }
    }
    assert_eq!(runs.join_next().await.unwrap().unwrap(), "quiet");
    let slices = slices.lock().unwrap().clone();
    // The quiet route has run 40 slices. With one queue for all events, the busy one would have run 640.
    assert!(slices["busy"] <= 120, "{slices:?}");
    drop(slices);
    runs.shutdown().await;
}

#[tokio::test]
async fn an_event_that_was_dropped_gives_its_call_back() {
    let scheduler = Scheduler::start(1).unwrap();
    let held = Arc::new(());
    let guest = Arc::clone(&held);
    let flight = scheduler.begin(&Arc::default(), &context_of("a"));
    let call = async move {
        compute(10_000, || ()).await;
        drop(guest);
    };
    let run = scheduler.run(flight, None, call);
    assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    while Arc::strong_count(&held) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
#[should_panic(expected = "a fault of the host")]
async fn a_panic_on_a_guest_thread_reaches_the_event() {
    let scheduler = Scheduler::start(1).unwrap();
    let flight = scheduler.begin(&Arc::default(), &context_of("a"));
    let call = async {
        end_of_slice().await;
        panic!("a fault of the host");
    };
    scheduler.run(flight, None, call).await;
}

#[tokio::test]
async fn a_slice_that_ends_outside_of_a_run_yields() {
    tokio::time::timeout(Duration::from_secs(30), compute(3, || ())).await.expect("nobody woke the task");
}

#[tokio::test]
async fn without_guest_threads_a_guest_yields_to_the_executor() {
    let scheduler = Scheduler::start(0).unwrap();
    let flight = scheduler.begin(&Arc::default(), &context_of("a"));
    let run = scheduler.run(flight, None, compute(3, || ()));
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), run).await, Ok(Some(())));
}
