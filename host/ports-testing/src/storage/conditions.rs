//! Conditions of writes.

use super::{COLLECTION, TestClock, assert_document, get, key, only_if, put, soon};
use tidegate_ports::storage::{Condition, Error, Storage, Version};

pub(super) async fn absent_is_met_without_a_document(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let absent = only_if(Condition::Absent);
    port.put(COLLECTION, &at, r#"{"n":1}"#, &absent, soon()).await.unwrap();
    assert_eq!(port.put(COLLECTION, &at, r#"{"n":2}"#, &absent, soon()).await, Err(Error::Conflict));
    assert_eq!(port.update(COLLECTION, &at, &[], &absent, soon()).await, Err(Error::Conflict));
    assert_eq!(port.delete(COLLECTION, &at, Some(&Condition::Absent), soon()).await, Err(Error::Conflict));
    assert_document(port, &at, r#"{"n":1}"#).await;
    port.delete(COLLECTION, &at, None, soon()).await.unwrap();
    port.delete(COLLECTION, &at, Some(&Condition::Absent), soon()).await.unwrap();
    port.update(COLLECTION, &at, &[super::set(&["n"], "3")], &absent, soon()).await.unwrap();
    assert_document(port, &at, r#"{"n":3}"#).await;
}

pub(super) async fn present_is_met_with_a_document(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let present = only_if(Condition::Present);
    assert_eq!(port.put(COLLECTION, &at, "{}", &present, soon()).await, Err(Error::Conflict));
    assert_eq!(port.update(COLLECTION, &at, &[], &present, soon()).await, Err(Error::Conflict));
    assert_eq!(port.delete(COLLECTION, &at, Some(&Condition::Present), soon()).await, Err(Error::Conflict));
    assert_eq!(get(port, &at).await, None);
    put(port, &at, "{}").await;
    port.put(COLLECTION, &at, r#"{"n":1}"#, &present, soon()).await.unwrap();
    port.update(COLLECTION, &at, &[super::add(&["n"], 1)], &present, soon()).await.unwrap();
    assert_document(port, &at, r#"{"n":2}"#).await;
    port.delete(COLLECTION, &at, Some(&Condition::Present), soon()).await.unwrap();
    assert_eq!(get(port, &at).await, None);
}

pub(super) async fn a_version_is_met_until_the_next_write(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let first = put(port, &at, r#"{"n":1}"#).await;
    let second =
        port.put(COLLECTION, &at, r#"{"n":2}"#, &only_if(Condition::Version(first.clone())), soon()).await.unwrap();
    let stale = only_if(Condition::Version(first.clone()));
    assert_eq!(port.put(COLLECTION, &at, r#"{"n":3}"#, &stale, soon()).await, Err(Error::Conflict));
    assert_eq!(port.update(COLLECTION, &at, &[], &stale, soon()).await, Err(Error::Conflict));
    let condition = Condition::Version(first);
    assert_eq!(port.delete(COLLECTION, &at, Some(&condition), soon()).await, Err(Error::Conflict));
    let third = port.update(COLLECTION, &at, &[], &only_if(Condition::Version(second)), soon()).await.unwrap();
    assert_eq!(get(port, &at).await.unwrap().version, third.version);
    let condition = Condition::Version(third.version);
    port.delete(COLLECTION, &at, Some(&condition), soon()).await.unwrap();
    // A document that is written after a delete has a different version.
    put(port, &at, "{}").await;
    assert_eq!(port.delete(COLLECTION, &at, Some(&condition), soon()).await, Err(Error::Conflict));
}

pub(super) async fn failed_conditions_change_nothing(port: &dyn Storage, _: &TestClock) {
    let at = key("p", "s");
    let version = put(port, &at, r#"{"n":1}"#).await;
    let never = [
        Condition::Absent,
        Condition::Version(Version("no such".to_owned())),
        Condition::Version(Version(String::new())),
    ];
    for condition in never {
        let result = port.put(COLLECTION, &at, "{}", &only_if(condition), soon()).await;
        assert_eq!(result, Err(Error::Conflict));
    }
    let item = get(port, &at).await.unwrap();
    assert_eq!((item.version, item.document.as_str()), (version, r#"{"n":1}"#));
}
