//! Listing and counting the members of groups.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{TestClock, assert_invalid, members, register, soon};
use tidegate_ports::registry::{Cursor, MAX_PAGE_LIMIT, ROW_LIFETIME, Registry};

pub(super) async fn unknown_groups_are_empty(port: &dyn Registry, _: &TestClock) {
    let page = port.members("nowhere", 10, None, soon()).await.unwrap();
    assert_eq!((page.members, page.cursor), (Vec::new(), None));
    assert_eq!(port.count("nowhere", soon()).await, Ok(0));
}

pub(super) async fn member_pages_contain_every_member_once(port: &dyn Registry, clock: &TestClock) {
    let mut all = BTreeSet::new();
    for number in 0..130 {
        let who = register(port, &format!("c{number}="), clock).await;
        port.join("room", &who, soon()).await.unwrap();
        all.insert(who);
    }
    for limit in [1, 7, 65, 130, MAX_PAGE_LIMIT] {
        assert_eq!(members(port, "room", limit).await, all, "by {limit}");
    }
    assert_eq!(port.count("room", soon()).await, Ok(130));
}

pub(super) async fn members_expire_with_their_connection(port: &dyn Registry, clock: &TestClock) {
    for number in 0..20 {
        let who = register(port, &format!("old{number}"), clock).await;
        port.join("room", &who, soon()).await.unwrap();
    }
    clock.advance(Duration::from_secs(60));
    let mut young = BTreeSet::new();
    for text in ["new1", "zzz", "AAA"] {
        let who = register(port, text, clock).await;
        port.join("room", &who, soon()).await.unwrap();
        young.insert(who);
    }
    clock.advance(ROW_LIFETIME - Duration::from_secs(60));
    for limit in [1, 2, 3, 100] {
        assert_eq!(members(port, "room", limit).await, young, "by {limit}");
    }
    assert_eq!(port.count("room", soon()).await, Ok(3));
}

pub(super) async fn members_check_limit_and_cursor(port: &dyn Registry, clock: &TestClock) {
    for text in ["a", "b"] {
        let who = register(port, text, clock).await;
        port.join("room", &who, soon()).await.unwrap();
        port.join("other", &who, soon()).await.unwrap();
    }
    for limit in [0, MAX_PAGE_LIMIT + 1] {
        assert_invalid(port.members("room", limit, None, soon()).await);
    }
    let cursor = port.members("room", 1, None, soon()).await.unwrap().cursor.unwrap();
    assert_invalid(port.members("other", 1, Some(&cursor), soon()).await);
    let listing = port.list(1, None, soon()).await.unwrap().cursor.unwrap();
    for bad in [listing, Cursor(String::new()), Cursor(format!("{}A", cursor.0)), Cursor("é".to_owned())] {
        assert_invalid(port.members("room", 1, Some(&bad), soon()).await);
    }
}
