//! Keys of documents.

use super::{COLLECTION, TestClock, assert_document, assert_invalid, get, key, put, soon};
use tidegate_ports::storage::{MAX_KEY_BYTES, Order, QueryOptions, Storage, WriteOptions};

pub(super) async fn keys_of_any_characters_are_distinct(port: &dyn Storage, _: &TestClock) {
    let odd =
        ["a", "A", " a", "a ", "é", "e\u{301}", "🦀", "#", "%", "%23", "a#b", "\u{1}", "'", "\"", "\\", "\n", "/"];
    for (number, text) in odd.iter().enumerate() {
        put(port, &key(text, "s"), &format!(r#"{{"n":{number}}}"#)).await;
        put(port, &key("p", text), &format!(r#"{{"n":{number}}}"#)).await;
    }
    for (number, text) in odd.iter().enumerate() {
        assert_document(port, &key(text, "s"), &format!(r#"{{"n":{number}}}"#)).await;
        assert_document(port, &key("p", text), &format!(r#"{{"n":{number}}}"#)).await;
    }
}

pub(super) async fn keys_do_not_reach_other_documents(port: &dyn Storage, _: &TestClock) {
    let places = [("a", "b#c"), ("a#b", "c"), ("a%23b", "c"), ("a", "b%23c"), ("a%", "23b#c"), ("a#", "b#c")];
    for (number, (collection, partition)) in places.iter().enumerate() {
        let document = format!(r#"{{"n":{number}}}"#);
        port.put(collection, &key(partition, "s"), &document, &WriteOptions::default(), soon()).await.unwrap();
    }
    let options = QueryOptions { range: None, order: Order::Ascending, limit: 10, cursor: None };
    for (number, (collection, partition)) in places.iter().enumerate() {
        let document = format!(r#"{{"n":{number}}}"#);
        let item = port.get(collection, &key(partition, "s"), soon()).await.unwrap().unwrap();
        assert_eq!(item.document, document, "{collection} / {partition}");
        let page = port.query(collection, partition, &options, soon()).await.unwrap();
        let found: Vec<_> = page.items.iter().map(|item| item.document.as_str()).collect();
        assert_eq!(found, [document.as_str()], "{collection} / {partition}");
    }
}

pub(super) async fn key_lengths_are_limited(port: &dyn Storage, _: &TestClock) {
    let longest = "é".repeat(MAX_KEY_BYTES / 2);
    let at = key(&longest, &longest);
    put(port, &at, "{}").await;
    assert!(get(port, &at).await.is_some());
    let over = "x".repeat(MAX_KEY_BYTES + 1);
    for bad in [key("", "s"), key("p", ""), key(&over, "s"), key("p", &over)] {
        assert_invalid(port.get(COLLECTION, &bad, soon()).await);
        assert_invalid(port.put(COLLECTION, &bad, "{}", &WriteOptions::default(), soon()).await);
        assert_invalid(port.update(COLLECTION, &bad, &[], &WriteOptions::default(), soon()).await);
        assert_invalid(port.delete(COLLECTION, &bad, None, soon()).await);
    }
    let options = QueryOptions { range: None, order: Order::Ascending, limit: 10, cursor: None };
    assert_invalid(port.query(COLLECTION, "", &options, soon()).await);
    assert_invalid(port.query(COLLECTION, &over, &options, soon()).await);
}
