//! Joining and leaving groups.

use std::collections::BTreeSet;

use super::{TestClock, assert_invalid, groups, id, members, register, soon};
use tidegate_ports::registry::{Error, MAX_GROUP_BYTES, MAX_GROUPS, Registry};

pub(super) async fn join_is_idempotent(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    for _ in 0..2 {
        port.join("b", &a, soon()).await.unwrap();
        port.join("a", &a, soon()).await.unwrap();
        assert_eq!(groups(port, &a).await, ["a", "b"]);
        assert_eq!(members(port, "a", 10).await, BTreeSet::from([a.clone()]));
        assert_eq!(port.count("a", soon()).await, Ok(1));
    }
}

pub(super) async fn leave_is_idempotent(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    let b = register(port, "b", clock).await;
    for who in [&a, &b] {
        port.join("room", who, soon()).await.unwrap();
        port.join("other", who, soon()).await.unwrap();
    }
    for _ in 0..2 {
        port.leave("room", &a, soon()).await.unwrap();
        assert_eq!(groups(port, &a).await, ["other"]);
        assert_eq!(members(port, "room", 10).await, BTreeSet::from([b.clone()]));
    }
    port.leave("other", &a, soon()).await.unwrap();
    port.leave("never", &a, soon()).await.unwrap();
    assert_eq!(groups(port, &a).await, Vec::<String>::new());
    port.leave("room", &id("nobody"), soon()).await.unwrap();
    assert_eq!(port.describe(&id("nobody"), soon()).await, Err(Error::NotFound), "no row is created");
}

pub(super) async fn join_requires_a_connection(port: &dyn Registry, clock: &TestClock) {
    assert_eq!(port.join("room", &id("nobody"), soon()).await, Err(Error::NotFound));
    let a = register(port, "a", clock).await;
    port.unregister(&a, soon()).await.unwrap();
    assert_eq!(port.join("room", &a, soon()).await, Err(Error::NotFound));
    assert_eq!(members(port, "room", 10).await, BTreeSet::new());
    assert_eq!(port.describe(&a, soon()).await, Err(Error::NotFound), "no row is created");
}

pub(super) async fn connections_have_at_most_50_groups(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    for number in 0..MAX_GROUPS {
        port.join(&format!("g{number}"), &a, soon()).await.unwrap();
    }
    assert_invalid(port.join("one more", &a, soon()).await);
    assert_eq!(members(port, "one more", 10).await, BTreeSet::new());
    port.join("g7", &a, soon()).await.unwrap();
    assert_eq!(groups(port, &a).await.len(), MAX_GROUPS);
    port.leave("g7", &a, soon()).await.unwrap();
    port.join("one more", &a, soon()).await.unwrap();
}

pub(super) async fn group_name_lengths_are_limited(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    let longest = "é".repeat(MAX_GROUP_BYTES / 2);
    port.join(&longest, &a, soon()).await.unwrap();
    assert_eq!(members(port, &longest, 10).await, BTreeSet::from([a.clone()]));
    port.leave(&longest, &a, soon()).await.unwrap();
    for name in [String::new(), "x".repeat(MAX_GROUP_BYTES + 1)] {
        assert_invalid(port.join(&name, &a, soon()).await);
        assert_invalid(port.leave(&name, &a, soon()).await);
        assert_invalid(port.members(&name, 10, None, soon()).await);
        assert_invalid(port.count(&name, soon()).await);
    }
}

pub(super) async fn groups_do_not_reach_other_groups(port: &dyn Registry, clock: &TestClock) {
    let names = ["a", "A", "a ", "a#", "a#0", "a#0#0", "#", "é", "e\u{301}"];
    for (number, name) in names.iter().enumerate() {
        let who = register(port, &format!("c{number}"), clock).await;
        port.join(name, &who, soon()).await.unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        assert_eq!(members(port, name, 10).await, BTreeSet::from([id(&format!("c{number}"))]), "{name}");
    }
}

pub(super) async fn unregister_leaves_all_50_groups(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    let b = register(port, "b", clock).await;
    for number in 0..MAX_GROUPS {
        port.join(&format!("g{number}"), &a, soon()).await.unwrap();
        port.join(&format!("g{number}"), &b, soon()).await.unwrap();
    }
    port.unregister(&a, soon()).await.unwrap();
    for number in 0..MAX_GROUPS {
        assert_eq!(members(port, &format!("g{number}"), 10).await, BTreeSet::from([b.clone()]));
    }
}
