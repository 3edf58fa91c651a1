//! Registration and listing of connections.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_event::{Connection, MAX_PAYLOAD_BYTES};

use super::{TestClock, assert_invalid, connection, groups, id, members, register, soon};
use tidegate_ports::registry::{Cursor, Error, MAX_PAGE_LIMIT, REAP_AGE, ROW_LIFETIME, Registry};

pub(super) async fn registered_connections_are_described(port: &dyn Registry, clock: &TestClock) {
    let text = str::to_owned;
    let full = Connection {
        user_agent: Some(text("curl/8 🦀")),
        principal: Some(text("")),
        context: vec![(text("b"), text("2")), (text("a"), text("")), (text("b"), text("é"))],
        ..connection("full=", clock)
    };
    let bare = connection("L0SM9cOFvHcCIhw=", clock);
    for connection in [&full, &bare] {
        port.register(connection, soon()).await.unwrap();
        let entry = port.describe(&connection.id, soon()).await.unwrap();
        assert_eq!(&entry.connection, connection);
        assert_eq!((entry.attributes, entry.groups), (Vec::new(), Vec::new()));
    }
    let large = Connection { user_agent: Some("x".repeat(MAX_PAYLOAD_BYTES / 16)), ..connection("large", clock) };
    port.register(&large, soon()).await.unwrap();
    assert_eq!(port.describe(&large.id, soon()).await.unwrap().connection, large);
}

pub(super) async fn unregistered_connections_are_not_found(port: &dyn Registry, _: &TestClock) {
    assert_eq!(port.describe(&id("nobody"), soon()).await, Err(Error::NotFound));
    port.unregister(&id("nobody"), soon()).await.unwrap();
    assert_eq!(port.describe(&id("nobody"), soon()).await, Err(Error::NotFound));
}

pub(super) async fn unregister_removes_the_connection_and_its_memberships(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    let b = register(port, "b", clock).await;
    for who in [&a, &b] {
        port.join("lobby", who, soon()).await.unwrap();
        port.join("room", who, soon()).await.unwrap();
    }
    for _ in 0..2 {
        port.unregister(&a, soon()).await.unwrap();
        assert_eq!(port.describe(&a, soon()).await, Err(Error::NotFound));
        for group in ["lobby", "room"] {
            assert_eq!(members(port, group, 10).await, BTreeSet::from([b.clone()]));
        }
    }
    assert_eq!(groups(port, &b).await, ["lobby", "room"]);
}

pub(super) async fn registrations_start_without_attributes_and_groups(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    port.set_attributes(&a, &[("k".to_owned(), Some("v".to_owned()))], soon()).await.unwrap();
    port.join("lobby", &a, soon()).await.unwrap();
    port.unregister(&a, soon()).await.unwrap();
    register(port, "a", clock).await;
    let entry = port.describe(&a, soon()).await.unwrap();
    assert_eq!((entry.attributes, entry.groups), (Vec::new(), Vec::new()));
}

pub(super) async fn rows_expire_after_their_lifetime(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    port.join("lobby", &a, soon()).await.unwrap();
    clock.advance(ROW_LIFETIME - Duration::from_secs(1));
    assert!(port.describe(&a, soon()).await.is_ok());
    clock.advance(Duration::from_secs(1));
    assert_eq!(port.describe(&a, soon()).await, Err(Error::NotFound));
    assert_eq!(port.list(10, None, soon()).await.unwrap().connections, []);
    assert_eq!(port.join("room", &a, soon()).await, Err(Error::NotFound));
    assert_eq!(port.set_attributes(&a, &[("k".to_owned(), None)], soon()).await, Err(Error::NotFound));
    port.leave("lobby", &a, soon()).await.unwrap();
    port.unregister(&a, soon()).await.unwrap();
}

pub(super) async fn reap_removes_old_connections_only(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    port.join("lobby", &a, soon()).await.unwrap();
    assert_eq!(port.reap(&a, soon()).await, Ok(false));
    clock.advance(REAP_AGE - Duration::from_millis(1));
    assert_eq!(port.reap(&a, soon()).await, Ok(false));
    assert!(port.describe(&a, soon()).await.is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(port.reap(&a, soon()).await, Ok(true));
    assert_eq!(port.describe(&a, soon()).await, Err(Error::NotFound));
    assert_eq!(members(port, "lobby", 10).await, BTreeSet::new());
    assert_eq!(port.reap(&a, soon()).await, Ok(false), "the row is removed");
    assert_eq!(port.reap(&id("nobody"), soon()).await, Ok(false));
}

pub(super) async fn list_pages_contain_every_connection_once(port: &dyn Registry, clock: &TestClock) {
    assert_eq!(port.list(10, None, soon()).await.unwrap().connections, []);
    let mut all = BTreeSet::new();
    for number in 0..25 {
        all.insert(register(port, &format!("c{number}"), clock).await);
    }
    for limit in [1, 7, 25, MAX_PAGE_LIMIT] {
        let mut found = BTreeSet::new();
        let mut cursor = None;
        loop {
            let page = port.list(limit, cursor.as_ref(), soon()).await.unwrap();
            assert!(page.connections.len() <= limit as usize);
            for connection in page.connections {
                assert!(found.insert(connection.id), "a connection occurs twice");
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, all, "by {limit}");
    }
}

pub(super) async fn list_checks_limit_and_cursor(port: &dyn Registry, clock: &TestClock) {
    for text in ["a", "b"] {
        let who = register(port, text, clock).await;
        port.join("lobby", &who, soon()).await.unwrap();
    }
    for limit in [0, MAX_PAGE_LIMIT + 1] {
        assert_invalid(port.list(limit, None, soon()).await);
    }
    let foreign = port.members("lobby", 1, None, soon()).await.unwrap().cursor.unwrap();
    for cursor in [foreign, Cursor(String::new()), Cursor("x".to_owned())] {
        assert_invalid(port.list(1, Some(&cursor), soon()).await);
    }
}
