//! Reading and writing whole documents.

use super::{COLLECTION, TestClock, assert_document, assert_invalid, get, json, key, put, soon};
use tidegate_ports::storage::{Error, MAX_GET_MANY, MAX_ITEM_BYTES, MAX_JSON_BYTES, Storage, WriteOptions};

pub(super) async fn missing_documents_are_none(port: &dyn Storage, _: &TestClock) {
    assert_eq!(get(port, &key("p", "s")).await, None);
}

pub(super) async fn documents_round_trip(port: &dyn Storage, _: &TestClock) {
    let text = r##" {"text":"hi","empty":"","none":null,"yes":true,"no":false,"count":-12.5,"list":[],"map":{},
        "deep":[1,[2,{"x":[null,"é\u0000\"\\\n🦀"]}]],"naïve name":1,"a.b":{"#c":":d"}} "##;
    let at = key("p", "s");
    let version = put(port, &at, text).await;
    let item = get(port, &at).await.unwrap();
    assert_eq!(json(&item.document), json(text));
    assert_eq!((item.key, item.version, item.expires_at), (at.clone(), version, None));
    put(port, &at, "{}").await;
    assert_document(port, &at, "{}").await;
}

pub(super) async fn put_replaces_the_whole_document(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"a":1,"b":2}"#).await;
    put(port, &at, r#"{"b":3}"#).await;
    assert_document(port, &at, r#"{"b":3}"#).await;
}

pub(super) async fn numbers_keep_38_digits(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let exact = ["12345678901234567890123456789012345678", "-1.2345678901234567890123456789012345678", "0.1"];
    for number in exact {
        put(port, &at, &format!(r#"{{"n":{number}}}"#)).await;
        let item = get(port, &at).await.unwrap();
        assert!(item.document.contains(number), "{number} came back as {}", item.document);
    }
    for (number, value) in [("1e2", 100.0), ("1.50", 1.5), ("-0", 0.0), ("1E-130", 1e-130), ("9.5e125", 9.5e125)] {
        put(port, &at, &format!(r#"{{"n":{number}}}"#)).await;
        let text = get(port, &at).await.unwrap().document;
        json(&text);
        // serde_json's number parsing is not always exact, and the standard library's is.
        let number = text.strip_prefix("{\"n\":").and_then(|rest| rest.strip_suffix('}')).unwrap();
        assert_eq!(number.parse(), Ok(value), "{text}");
    }
}

pub(super) async fn numbers_out_of_range_are_invalid(port: &dyn Storage, _: &TestClock) {
    for number in ["123456789012345678901234567890123456789", "1e126", "-1e126", "1e-131", "1e99999999999999999999"] {
        let document = format!(r#"{{"n":[{number}]}}"#);
        assert_invalid(port.put(COLLECTION, &key("p", "s"), &document, &WriteOptions::default(), soon()).await);
    }
}

pub(super) async fn documents_that_are_not_json_objects_are_invalid(port: &dyn Storage, _: &TestClock) {
    for text in ["", "[]", "1", "null", "\"x\"", "{", "{}x", "{'a':1}", r#"{"a":NaN}"#, r#"{"a":01}"#, r#"{"":1}"#] {
        assert_invalid(port.put(COLLECTION, &key("p", "s"), text, &WriteOptions::default(), soon()).await);
    }
}

pub(super) async fn reserved_names_are_invalid(port: &dyn Storage, _: &TestClock) {
    for name in ["pk", "sk", "expires_at", "tg:", "tg:version", "tg:anything"] {
        let text = format!(r#"{{"{name}":1}}"#);
        assert_invalid(port.put(COLLECTION, &key("p", "s"), &text, &WriteOptions::default(), soon()).await);
    }
    let nested = r#"{"in":{"pk":1,"sk":2,"expires_at":3,"tg:version":4}}"#;
    put(port, &key("p", "s"), nested).await;
    assert_document(port, &key("p", "s"), nested).await;
}

pub(super) async fn repeated_names_are_invalid(port: &dyn Storage, _: &TestClock) {
    for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
        assert_invalid(port.put(COLLECTION, &key("p", "s"), text, &WriteOptions::default(), soon()).await);
    }
}

pub(super) async fn documents_nest_up_to_32_levels(port: &dyn Storage, _: &TestClock) {
    let nested = |arrays: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(arrays), "]".repeat(arrays));
    put(port, &key("p", "s"), &nested(31)).await;
    assert_document(port, &key("p", "s"), &nested(31)).await;
    for arrays in [32, 200, 50_000] {
        let text = nested(arrays);
        assert_invalid(port.put(COLLECTION, &key("p", "s"), &text, &WriteOptions::default(), soon()).await);
    }
}

pub(super) async fn documents_above_400_kb_are_too_large(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let text = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
    // The key, the version and their names count towards the limit.
    let almost = text(MAX_ITEM_BYTES - 256);
    put(port, &at, &almost).await;
    assert_document(port, &at, &almost).await;
    for bytes in [MAX_ITEM_BYTES, 2 * MAX_ITEM_BYTES] {
        let result = port.put(COLLECTION, &at, &text(bytes), &WriteOptions::default(), soon()).await;
        assert_eq!(result, Err(Error::TooLarge));
    }
    // JSON can write one byte as six. A longer text is rejected without being parsed.
    let escaped = format!(r#"{{"a":"{}"}}"#, "\\u0001".repeat(MAX_ITEM_BYTES - 256));
    put(port, &at, &escaped).await;
    put(port, &at, &almost).await;
    let spaces = " ".repeat(MAX_JSON_BYTES);
    let result = port.put(COLLECTION, &at, &format!("{{{spaces}}}"), &WriteOptions::default(), soon()).await;
    assert_eq!(result, Err(Error::TooLarge));
    for change in [super::set(&["n"], &format!("{spaces}1")), super::append(&["l"], &format!("[{spaces}]"))] {
        assert_eq!(super::update(port, &at, &[change]).await.map(drop), Err(Error::TooLarge));
    }
    assert_document(port, &at, &almost).await;
}

pub(super) async fn delete_removes_the_document(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, "{}").await;
    for _ in 0..2 {
        port.delete(COLLECTION, &at, None, soon()).await.unwrap();
        assert_eq!(get(port, &at).await, None);
    }
}

pub(super) async fn versions_are_unique(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(put(port, &at, "{}").await);
        seen.push(put(port, &at, "{}").await);
        seen.push(super::update(port, &at, &[]).await.unwrap().version);
        port.delete(COLLECTION, &at, None, soon()).await.unwrap();
    }
    let all = seen.len();
    seen.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    seen.dedup();
    assert_eq!(seen.len(), all);
}

pub(super) async fn get_many_returns_the_order_of_its_keys(port: &dyn Storage, _: &TestClock) {
    for sort in ["a", "b", "c"] {
        put(port, &key("p", sort), &format!(r#"{{"is":"{sort}"}}"#)).await;
    }
    let keys = [key("p", "c"), key("p", "none"), key("p", "a"), key("q", "a"), key("p", "c"), key("p", "b")];
    let found = port.get_many(COLLECTION, &keys, soon()).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|item| item.map(|item| item.key.sort)).collect();
    let expected = [Some("c"), None, Some("a"), None, Some("c"), Some("b")];
    assert_eq!(found, expected.map(|sort| sort.map(str::to_owned)));
    assert_eq!(port.get_many(COLLECTION, &[], soon()).await.unwrap(), []);
}

pub(super) async fn get_many_accepts_100_keys(port: &dyn Storage, _: &TestClock) {
    let keys: Vec<_> = (0..MAX_GET_MANY).map(|number| key("p", &format!("{number:03}"))).collect();
    for at in &keys {
        put(port, at, "{}").await;
    }
    let found = port.get_many(COLLECTION, &keys, soon()).await.unwrap();
    assert_eq!(found.into_iter().flatten().count(), MAX_GET_MANY);
    let more: Vec<_> = keys.into_iter().chain([key("p", "more")]).collect();
    assert_invalid(port.get_many(COLLECTION, &more, soon()).await);
    assert_invalid(port.get_many(COLLECTION, &[key("p", "a"), key("", "a")], soon()).await);
}
