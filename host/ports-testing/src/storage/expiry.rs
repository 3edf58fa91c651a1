//! Expiry of items. No backend deletes items during the suite, but expired items are absent all the same.

use std::time::Duration;

use tidegate_event::Timestamp;

use super::{
    COLLECTION, TestClock, add, append, assert_document, assert_invalid, get, json, key, only_if, put, set, soon,
};
use tidegate_ports::storage::{Condition, Error, Key, Order, QueryOptions, SortRange, Storage, WriteOptions};

const MINUTE: Duration = Duration::from_secs(60);

async fn put_until(port: &dyn Storage, at: &Key, document: &str, end: Timestamp) {
    let options = WriteOptions { condition: None, expires_at: Some(end) };
    port.put(COLLECTION, at, document, &options, soon()).await.unwrap();
}

pub(super) async fn expired_items_are_absent(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    put_until(port, &at, "{}", clock.now().saturating_add(MINUTE)).await;
    assert!(get(port, &at).await.is_some());
    clock.advance(MINUTE);
    assert_eq!(get(port, &at).await, None);
    assert_eq!(port.get_many(COLLECTION, std::slice::from_ref(&at), soon()).await.unwrap(), [None]);
    let options = QueryOptions { range: None, order: Order::Ascending, limit: 10, cursor: None };
    assert_eq!(port.query(COLLECTION, "p", &options, soon()).await.unwrap().items, []);
    put_until(port, &at, "{}", Timestamp(1)).await;
    assert_eq!(get(port, &at).await, None, "an expiry may be in the past");
}

pub(super) async fn items_exist_until_their_last_millisecond(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    let end = clock.now().saturating_add(Duration::from_millis(1_500));
    put_until(port, &at, "{}", end).await;
    clock.advance(Duration::from_millis(1_499));
    assert_eq!(get(port, &at).await.unwrap().expires_at, Some(end));
    port.update(COLLECTION, &at, &[], &only_if(Condition::Present), soon()).await.unwrap();
    clock.advance(Duration::from_millis(1));
    assert_eq!(get(port, &at).await, None);
    assert_eq!(port.update(COLLECTION, &at, &[], &only_if(Condition::Present), soon()).await, Err(Error::Conflict));
}

pub(super) async fn conditions_treat_expired_items_as_absent(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    put_until(port, &at, r#"{"old":1}"#, clock.now().saturating_add(MINUTE)).await;
    let version = get(port, &at).await.unwrap().version;
    clock.advance(MINUTE);
    for condition in [Condition::Present, Condition::Version(version)] {
        let options = only_if(condition.clone());
        assert_eq!(port.put(COLLECTION, &at, "{}", &options, soon()).await, Err(Error::Conflict));
        assert_eq!(port.update(COLLECTION, &at, &[], &options, soon()).await, Err(Error::Conflict));
        assert_eq!(port.delete(COLLECTION, &at, Some(&condition), soon()).await, Err(Error::Conflict));
    }
    let absent = only_if(Condition::Absent);
    port.update(COLLECTION, &at, &[set(&["new"], "1")], &absent, soon()).await.unwrap();
    assert_document(port, &at, r#"{"new":1}"#).await;
    put_until(port, &at, r#"{"old":1}"#, clock.now()).await;
    port.put(COLLECTION, &at, r#"{"new":2}"#, &absent, soon()).await.unwrap();
    assert_document(port, &at, r#"{"new":2}"#).await;
}

pub(super) async fn updates_do_not_merge_into_expired_items(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    let old = r#"{"n":10,"list":[1],"map":{"a":1},"other":true}"#;
    put_until(port, &at, old, clock.now()).await;
    let changes = [add(&["n"], 1), append(&["list"], "[2]"), set(&["map"], "{}"), super::remove(&["other"])];
    let item = super::update(port, &at, &changes).await.unwrap();
    let expected = r#"{"n":1,"list":[2],"map":{}}"#;
    assert_eq!(json(&item.document), json(expected));
    assert_eq!(get(port, &at).await.unwrap(), item);
    assert_eq!(item.expires_at, None, "the old item's end is not the new one's");
    put_until(port, &at, old, clock.now()).await;
    assert_invalid(super::update(port, &at, &[set(&["map", "a"], "2")]).await);
}

pub(super) async fn updates_keep_or_change_the_expiry(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    let end = clock.now().saturating_add(MINUTE);
    put_until(port, &at, "{}", end).await;
    assert_eq!(super::update(port, &at, &[set(&["n"], "1")]).await.unwrap().expires_at, Some(end));
    let later = end.saturating_add(MINUTE);
    let options = WriteOptions { condition: None, expires_at: Some(later) };
    let item = port.update(COLLECTION, &at, &[], &options, soon()).await.unwrap();
    assert_eq!(item.expires_at, Some(later));
    clock.advance(MINUTE);
    assert_eq!(get(port, &at).await, Some(item));
}

pub(super) async fn items_without_an_expiry_do_not_expire(port: &dyn Storage, clock: &TestClock) {
    let at = key("p", "s");
    put_until(port, &at, "{}", clock.now().saturating_add(MINUTE)).await;
    put(port, &at, "{}").await;
    clock.advance(MINUTE * 1_000_000);
    assert_eq!(get(port, &at).await.unwrap().expires_at, None);
}

pub(super) async fn queries_skip_expired_items(port: &dyn Storage, clock: &TestClock) {
    for number in 0..60 {
        let at = key("p", &format!("{number:02}"));
        match number % 20 {
            0 => put(port, &at, "{}").await.0.clear(),
            _ => put_until(port, &at, "{}", clock.now().saturating_add(MINUTE)).await,
        }
    }
    clock.advance(MINUTE);
    let range = Some(SortRange::Prefix(String::new()));
    let mut options = QueryOptions { range, order: Order::Ascending, limit: 2, cursor: None };
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        let page = port.query(COLLECTION, "p", &options, soon()).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|item| item.key.sort));
        pages += 1;
        match page.cursor {
            Some(cursor) if pages < 60 => options.cursor = Some(cursor),
            _ => break,
        }
    }
    assert_eq!(found, ["00", "20", "40"]);
}
