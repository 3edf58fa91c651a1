//! Updates of documents.

use super::{
    COLLECTION, TestClock, add, append, assert_document, assert_invalid, get, json, key, only_if, put, remove, set,
    soon, update,
};
use tidegate_ports::storage::{Change, Condition, Error, MAX_ITEM_BYTES, Storage};

pub(super) async fn updates_create_missing_documents(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let changes = [set(&["a"], r#"{"b":null}"#), add(&["n"], -2), append(&["l"], "[1]"), remove(&["gone"])];
    let item = update(port, &at, &changes).await.unwrap();
    assert_eq!(json(&item.document), json(r#"{"a":{"b":null},"n":-2,"l":[1]}"#));
    assert_eq!(get(port, &at).await, Some(item));
    update(port, &key("p", "empty"), &[]).await.unwrap();
    assert_document(port, &key("p", "empty"), "{}").await;
}

pub(super) async fn set_writes_members_at_any_depth(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"a":{"b":{"c":1,"d":2}},"keep":true}"#).await;
    let changes = [set(&["a", "b", "c"], r#"[1,{"x":""}]"#), set(&["a", "new"], "false"), set(&["top"], "\"x\"")];
    update(port, &at, &changes).await.unwrap();
    assert_document(port, &at, r#"{"a":{"b":{"c":[1,{"x":""}],"d":2},"new":false},"keep":true,"top":"x"}"#).await;
}

pub(super) async fn add_starts_at_zero(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"m":{"half":0.5}}"#).await;
    for _ in 0..3 {
        update(port, &at, &[add(&["n"], 5), add(&["m", "half"], -1), add(&["big"], i64::MAX)]).await.unwrap();
    }
    let text = get(port, &at).await.unwrap().document;
    assert!(text.contains("27670116110564327421"), "{text}");
    assert_eq!(json(&text).get("n"), Some(&json("15")));
    assert_eq!(json(&text).get("m"), Some(&json(r#"{"half":-2.5}"#)));
}

pub(super) async fn append_creates_and_extends_lists(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"m":{}}"#).await;
    update(port, &at, &[append(&["l"], "[1,\"two\"]"), append(&["m", "l"], "[]")]).await.unwrap();
    update(port, &at, &[append(&["l"], "[[3]]"), append(&["m", "l"], "[null]")]).await.unwrap();
    assert_document(port, &at, r#"{"l":[1,"two",[3]],"m":{"l":[null]}}"#).await;
    for values in ["1", "{}", "null", "", "[", "[1]x"] {
        assert_invalid(update(port, &at, &[append(&["l"], values)]).await);
    }
}

pub(super) async fn remove_removes_members(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"a":1,"b":{"c":1,"d":2}}"#).await;
    update(port, &at, &[remove(&["a"]), remove(&["b", "c"]), remove(&["never"])]).await.unwrap();
    assert_document(port, &at, r#"{"b":{"d":2}}"#).await;
}

pub(super) async fn updates_apply_all_changes_or_none(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let version = put(port, &at, r#"{"a":1,"s":"x"}"#).await;
    assert_invalid(update(port, &at, &[set(&["a"], "2"), add(&["s"], 1)]).await);
    assert_invalid(update(port, &at, &[set(&["a"], "2"), set(&["b"], "nonsense")]).await);
    let item = get(port, &at).await.unwrap();
    assert_eq!((json(&item.document), item.version), (json(r#"{"a":1,"s":"x"}"#), version));
}

pub(super) async fn updates_return_the_new_item(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let before = put(port, &at, r#"{"a":1}"#).await;
    let item = update(port, &at, &[add(&["a"], 1)]).await.unwrap();
    assert_eq!(json(&item.document), json(r#"{"a":2}"#));
    assert_ne!(item.version, before);
    assert_eq!(get(port, &at).await, Some(item));
}

pub(super) async fn updates_check_their_condition(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let version = put(port, &at, r#"{"n":1}"#).await;
    let changes = [add(&["n"], 1)];
    let only_once = only_if(Condition::Version(version));
    port.update(COLLECTION, &at, &changes, &only_once, soon()).await.unwrap();
    assert_eq!(port.update(COLLECTION, &at, &changes, &only_once, soon()).await, Err(Error::Conflict));
    assert_document(port, &at, r#"{"n":2}"#).await;
}

pub(super) async fn paths_without_a_parent_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let attempts = || [set(&["m", "a"], "1"), add(&["m", "a"], 1), append(&["m", "a"], "[]"), remove(&["m", "a"])];
    for change in attempts() {
        assert_invalid(update(port, &at, &[change]).await);
    }
    assert_eq!(get(port, &at).await, None);
    put(port, &at, r#"{"s":"text","l":[{"a":1}]}"#).await;
    for change in attempts().into_iter().chain([set(&["s", "a"], "1"), set(&["l", "0"], "1")]) {
        assert_invalid(update(port, &at, &[change]).await);
    }
    assert_document(port, &at, r#"{"s":"text","l":[{"a":1}]}"#).await;
}

pub(super) async fn overlapping_paths_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"a":{"b":{}},"ab":1}"#).await;
    for pair in [
        [set(&["a"], "1"), set(&["a"], "1")],
        [set(&["a"], "1"), remove(&["a", "b"])],
        [add(&["a", "b", "c"], 1), append(&["a"], "[]")],
    ] {
        assert_invalid(update(port, &at, &pair).await);
    }
    update(port, &at, &[set(&["a", "b"], "1"), set(&["a", "c"], "1"), set(&["ab"], "2")]).await.unwrap();
}

pub(super) async fn reserved_and_empty_paths_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let long: Vec<&str> = std::iter::repeat_n("a", 33).collect();
    for path in [&[][..], &[""], &["a", ""], &["pk"], &["sk"], &["expires_at"], &["tg:version"], &["tg:x", "y"], &long]
    {
        assert_invalid(update(port, &at, &[set(path, "1")]).await);
        assert_invalid(update(port, &at, &[remove(path)]).await);
    }
    assert_eq!(get(port, &at).await, None);
}

pub(super) async fn names_are_not_interpreted_as_syntax(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"m":{}}"#).await;
    let odd = ["a.b", "x[0]", "#n0", ":v0", "size", "attribute_exists(pk)", "naïve 🦀", "' OR 1=1", "SET", "a-b"];
    let changes: Vec<_> = odd.iter().flat_map(|name| [set(&[*name], "1"), set(&["m", *name], "2")]).collect();
    let item = update(port, &at, &changes).await.unwrap();
    let document = json(&item.document);
    for name in odd {
        assert_eq!(document.get(name), Some(&json("1")), "{name}");
        assert_eq!(document.get("m").and_then(|m| m.get(name)), Some(&json("2")), "{name}");
    }
}

pub(super) async fn changes_of_the_wrong_type_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let document = r#"{"s":"text","n":1,"huge":9.9e125,"long":0.00000000000000000000000000000000000001,"o":null}"#;
    put(port, &at, document).await;
    for change in [
        add(&["s"], 1),
        add(&["o"], 1),
        append(&["n"], "[1]"),
        append(&["s"], "[1]"),
        set(&["d"], &format!("{}1{}", "[".repeat(32), "]".repeat(32))),
        set(&["n"], "1e200"),
        set(&["n"], ""),
        set(&["n"], "1 2"),
    ] {
        assert_invalid(update(port, &at, &[change]).await);
    }
    assert_document(port, &at, document).await;
}

pub(super) async fn updates_with_too_many_names_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let path = |change: usize| (0..32).map(move |name| format!("{change}.{name}"));
    let changes: Vec<_> = (0..100).map(|change| Change::Remove { path: path(change).collect() }).collect();
    assert_invalid(update(port, &at, &changes).await);
    assert_invalid(update(port, &at, &[set(&["x".repeat(3 << 20).as_str()], "1")]).await);
    assert_eq!(get(port, &at).await, None);
}

pub(super) async fn updates_above_400_kb_are_too_large(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let half = format!("\"{}\"", "x".repeat(MAX_ITEM_BYTES / 2));
    update(port, &at, &[set(&["a"], &half)]).await.unwrap();
    assert_eq!(update(port, &at, &[set(&["b"], &half)]).await, Err(Error::TooLarge));
    let values = [set(&["a"], &half), set(&["b"], &half), set(&["c"], &half)];
    assert_eq!(update(port, &at, &values).await, Err(Error::TooLarge));
    assert!(get(port, &at).await.unwrap().document.len() < MAX_ITEM_BYTES);
}
