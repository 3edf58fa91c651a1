use std::time::Duration;

use super::*;

fn key(text: &str) -> RouteKey {
    RouteKey::new(text).unwrap()
}

fn connection(text: &str) -> ConnectionId {
    ConnectionId::new(text).unwrap()
}

/// Takes as many slots as the route may have now.
async fn take_all(route: &RouteSlots, connection: &ConnectionId) -> Vec<Slot> {
    let mut taken = Vec::new();
    while let Ok(slot) = route.slot(connection, Deadline::after(Duration::ZERO), None).await {
        taken.push(slot);
    }
    taken
}

#[tokio::test]
async fn a_busy_route_leaves_slots_for_every_other_route() {
    let slots = Slots::new(128);
    let routes: Vec<_> = (0..40).map(|index| slots.register(Some(&key(&format!("r{index}"))))).collect();
    let connect = slots.register(Some(&key("$connect")));
    let mut held = Vec::new();
    for route in routes.iter().skip(1) {
        held.push(take_all(route, &connection("hog")).await);
    }
    assert!(held.iter().all(|held| !held.is_empty()));
    assert!(held.first().is_some_and(|held| held.len() > 40), "the first busy route gets most of the pool");
    let own = take_all(&routes[0], &connection("other")).await;
    assert!(!own.is_empty(), "a quiet route has its guarantee");
    assert!(take_all(&connect, &connection("new")).await.len() >= LIFECYCLE_SLOTS);
}

#[tokio::test]
async fn one_slot_serves_every_route_in_turn() {
    let slots = Slots::new(1);
    let routes = [slots.register(Some(&key("a"))), slots.register(Some(&key("b"))), slots.register(None)];
    for route in routes.iter().cycle().take(9) {
        assert_eq!(take_all(route, &connection("c")).await.len(), 1);
    }
}

#[tokio::test]
async fn the_events_of_one_connection_wait_behind_the_first_of_another() {
    let slots = Slots::new(1);
    let route = slots.register(Some(&key("a")));
    let (hog, other) = (connection("hog"), connection("other"));
    let held = route.slot(&hog, Deadline::after(Duration::from_secs(10)), None).await.unwrap();
    let order = Mutex::new(Vec::new());
    let run = async |name: &'static str, id: &ConnectionId| {
        let slot = route.slot(id, Deadline::after(Duration::from_secs(10)), None).await.unwrap();
        order.lock().unwrap().push(name);
        drop(slot);
    };
    let hogs = async { tokio::join!(run("hog 1", &hog), run("hog 2", &hog), run("hog 3", &hog)) };
    tokio::join!(biased; hogs, run("other", &other), async { drop(held) });
    assert_eq!(*order.lock().unwrap(), ["hog 1", "other", "hog 2", "hog 3"]);
}

#[tokio::test]
async fn an_event_stops_waiting_when_its_client_leaves() {
    let slots = Slots::new(1);
    let route = slots.register(Some(&key("a")));
    let id = connection("c");
    let held = route.slot(&id, Deadline::after(Duration::from_secs(10)), None).await.unwrap();
    let client = CancellationToken::new();
    client.cancel();
    let refused = route.slot(&id, Deadline::after(Duration::from_secs(10)), Some(&client)).await;
    assert_eq!(refused.err(), Some(NoSlot::Abandoned));
    drop(held);
    assert_eq!(take_all(&route, &id).await.len(), 1, "the abandoned wait holds no slot");
}

#[tokio::test]
async fn the_guarantee_of_a_replaced_release_is_given_back() {
    let slots = Slots::new(8);
    let old = slots.register(Some(&key("$connect")));
    let held = take_all(&old, &connection("c")).await;
    drop(old);
    let new = slots.register(Some(&key("$connect")));
    drop(held);
    assert_eq!(slots.lock().owed, LIFECYCLE_SLOTS);
    assert_eq!(slots.lock().routes.len(), 1);
    assert_eq!(take_all(&new, &connection("c")).await.len(), 7);
}

#[tokio::test]
async fn many_abandoned_waits_do_not_exhaust_the_stack() {
    let slots = Slots::new(1);
    let route = slots.register(Some(&key("a")));
    let id = connection("c");
    let held = route.slot(&id, Deadline::after(Duration::from_secs(10)), None).await.unwrap();
    let waits: Vec<_> = (0..100_000).map(|_| slots.lock().wait(route.id, &id)).collect();
    drop(waits);
    drop(held);
    assert_eq!(take_all(&route, &id).await.len(), 1);
}
