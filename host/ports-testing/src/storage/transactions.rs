//! Transactions of several operations.

use super::{COLLECTION, TestClock, add, assert_document, assert_invalid, get, key, only_if, put, remove, set, soon};
use tidegate_ports::storage::{
    Action, Condition, Error, Key, MAX_ITEM_BYTES, MAX_TRANSACT, Operation, Storage, Version, WriteOptions,
};

fn operation(at: &Key, action: Action) -> Operation {
    Operation { collection: COLLECTION.to_owned(), key: at.clone(), action }
}

fn put_of(at: &Key, document: &str) -> Operation {
    operation(at, Action::Put(document.to_owned(), WriteOptions::default()))
}

async fn transact(port: &dyn Storage, operations: &[Operation]) -> Result<(), Error> {
    port.transact(operations, soon()).await
}

pub(super) async fn transactions_apply_all_operations(port: &dyn Storage, _: &TestClock) {
    let a = key("p", "a");
    let b = key("p", "b");
    let c = key("q", "c");
    let d = key("q", "d");
    put(port, &b, r#"{"n":1,"old":1}"#).await;
    put(port, &c, "{}").await;
    let before = put(port, &d, "{}").await;
    let elsewhere = Operation { collection: "other".to_owned(), ..put_of(&a, r#"{"n":2}"#) };
    transact(
        port,
        &[
            operation(&a, Action::Put(r#"{"n":0}"#.to_owned(), only_if(Condition::Absent))),
            operation(&b, Action::Update(vec![add(&["n"], 1), remove(&["old"])], WriteOptions::default())),
            operation(&c, Action::Delete(Some(Condition::Present))),
            operation(&d, Action::Check(Condition::Version(before.clone()))),
            elsewhere,
            operation(&key("p", "e"), Action::Update(vec![set(&["x"], "1")], only_if(Condition::Absent))),
            operation(&key("p", "f"), Action::Delete(None)),
        ],
    )
    .await
    .unwrap();
    assert_document(port, &a, r#"{"n":0}"#).await;
    assert_document(port, &b, r#"{"n":2}"#).await;
    assert_eq!(get(port, &c).await, None);
    assert_eq!(get(port, &d).await.unwrap().version, before, "a check changes nothing");
    assert_eq!(port.get("other", &a, soon()).await.unwrap().unwrap().document, r#"{"n":2}"#);
    assert_document(port, &key("p", "e"), r#"{"x":1}"#).await;
}

pub(super) async fn one_failed_condition_cancels_the_transaction(port: &dyn Storage, _: &TestClock) {
    let a = key("p", "a");
    let b = key("p", "b");
    let c = key("p", "c");
    let version = put(port, &a, r#"{"n":1}"#).await;
    let operations = [
        put_of(&a, r#"{"n":2}"#),
        operation(&b, Action::Update(vec![add(&["n"], 1)], WriteOptions::default())),
        operation(&c, Action::Check(Condition::Present)),
    ];
    assert_eq!(transact(port, &operations).await, Err(Error::Conflict));
    assert_eq!(get(port, &a).await.unwrap().version, version);
    assert_eq!(get(port, &b).await, None);
}

pub(super) async fn every_kind_of_operation_checks_its_condition(port: &dyn Storage, _: &TestClock) {
    let there = key("p", "there");
    let missing = key("p", "missing");
    put(port, &there, r#"{"n":1}"#).await;
    let stale = Condition::Version(Version("stale".to_owned()));
    for failing in [
        operation(&there, Action::Put("{}".to_owned(), only_if(Condition::Absent))),
        operation(&missing, Action::Put("{}".to_owned(), only_if(Condition::Present))),
        operation(&there, Action::Update(Vec::new(), only_if(Condition::Absent))),
        operation(&missing, Action::Update(Vec::new(), only_if(Condition::Present))),
        operation(&there, Action::Update(Vec::new(), only_if(stale.clone()))),
        operation(&missing, Action::Delete(Some(Condition::Present))),
        operation(&there, Action::Delete(Some(stale.clone()))),
        operation(&there, Action::Check(Condition::Absent)),
        operation(&there, Action::Check(stale)),
    ] {
        let operations = [put_of(&key("p", "other"), "{}"), failing.clone()];
        assert_eq!(transact(port, &operations).await, Err(Error::Conflict), "{failing:?}");
        assert_eq!(get(port, &key("p", "other")).await, None, "{failing:?}");
    }
    assert_document(port, &there, r#"{"n":1}"#).await;
}

pub(super) async fn two_operations_on_one_document_are_invalid(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    assert_invalid(transact(port, &[put_of(&at, "{}"), operation(&at, Action::Check(Condition::Absent))]).await);
    assert_eq!(get(port, &at).await, None);
}

pub(super) async fn transactions_have_1_to_100_operations(port: &dyn Storage, _: &TestClock) {
    assert_invalid(transact(port, &[]).await);
    let many: Vec<_> = (0..=MAX_TRANSACT).map(|number| put_of(&key("p", &number.to_string()), "{}")).collect();
    assert_invalid(transact(port, &many).await);
    let most: Vec<_> = many.into_iter().skip(1).collect();
    transact(port, &most).await.unwrap();
    for operation in &most {
        assert!(get(port, &operation.key).await.is_some());
    }
}

pub(super) async fn updates_in_transactions_replace_expired_items(port: &dyn Storage, clock: &TestClock) {
    let a = key("p", "a");
    let b = key("p", "b");
    let c = key("p", "c");
    let expired = WriteOptions { condition: None, expires_at: Some(clock.now()) };
    for at in [&a, &b] {
        port.put(COLLECTION, at, r#"{"n":10,"old":true}"#, &expired, soon()).await.unwrap();
    }
    put(port, &c, r#"{"n":10}"#).await;
    let count = |at: &Key| operation(at, Action::Update(vec![add(&["n"], 1)], WriteOptions::default()));
    transact(port, &[count(&a), count(&b), count(&c)]).await.unwrap();
    assert_document(port, &a, r#"{"n":1}"#).await;
    assert_document(port, &b, r#"{"n":1}"#).await;
    assert_document(port, &c, r#"{"n":11}"#).await;
    port.put(COLLECTION, &a, "{}", &expired, soon()).await.unwrap();
    let lost = operation(&key("p", "none"), Action::Check(Condition::Present));
    assert_eq!(transact(port, &[count(&a), lost]).await, Err(Error::Conflict));
    let present = operation(&a, Action::Update(Vec::new(), only_if(Condition::Present)));
    assert_eq!(transact(port, &[present]).await, Err(Error::Conflict));
    assert_eq!(get(port, &a).await, None);
}

pub(super) async fn invalid_operations_are_invalid_in_transactions(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    put(port, &at, r#"{"s":"text"}"#).await;
    let update = |change| operation(&at, Action::Update(vec![change], WriteOptions::default()));
    let bad_key = put_of(&key("", "s"), "{}");
    for bad in [
        put_of(&at, "[]"),
        put_of(&at, r#"{"pk":1}"#),
        bad_key,
        update(set(&[], "1")),
        update(add(&["s"], 1)),
        update(set(&["s", "x"], "1")),
    ] {
        assert_invalid(transact(port, &[put_of(&key("p", "other"), "{}"), bad]).await);
    }
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_ITEM_BYTES));
    assert_eq!(transact(port, &[put_of(&at, &large)]).await, Err(Error::TooLarge));
    let many: Vec<_> = (0..12)
        .map(|number| put_of(&key("p", &number.to_string()), &format!(r#"{{"a":"{}"}}"#, "x".repeat(390_000))))
        .collect();
    assert_eq!(transact(port, &many).await, Err(Error::TooLarge), "4 MB in all");
    let values: Vec<_> = (0..12)
        .map(|number| {
            let change = set(&["a"], &format!("\"{}\"", "x".repeat(390_000)));
            operation(&key("p", &number.to_string()), Action::Update(vec![change], WriteOptions::default()))
        })
        .collect();
    assert_eq!(transact(port, &values).await, Err(Error::TooLarge), "the values of updates count");
    assert_document(port, &at, r#"{"s":"text"}"#).await;
    assert_eq!(get(port, &key("p", "other")).await, None);
}
