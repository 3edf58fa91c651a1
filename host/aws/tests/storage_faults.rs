//! Storage while DynamoDB throttles, fails, does not answer or sends invalid answers: the error of each call, and the
//! requests that are retried.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::faults::{Fault, Faults, SECRET};
use support::{Subject, soon, storage_on};
use tidegate_aws::{DynamoStorage, Tables, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_ports::storage::{
    Action, Change, Condition, Error, Item, Key, Operation, Order, QueryOptions, WriteOptions,
};
use tidegate_ports::{Deadline, Storage};

const THROTTLES: [&str; 4] =
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "Throttling"];

async fn subject() -> (Subject<DynamoStorage>, Faults) {
    let faults = Faults::default();
    let database = Embedded::memory().unwrap();
    let client = client::local(faults.before(database.http_client()));
    Tables::default().create_missing(&client).await.unwrap();
    faults.clear();
    (storage_on(client), faults)
}

/// A deadline that leaves time for a few attempts.
fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

fn at() -> Key {
    Key { partition: "p".to_owned(), sort: "s".to_owned() }
}

fn add() -> [Change; 1] {
    [Change::Add { path: vec!["n".to_owned()], by: 1 }]
}

fn append() -> [Change; 1] {
    [Change::Append { path: vec!["l".to_owned()], values: "[1]".to_owned() }]
}

fn when(condition: Condition) -> WriteOptions {
    WriteOptions { condition: Some(condition), expires_at: None }
}

async fn put(port: &DynamoStorage, document: &str, options: &WriteOptions, deadline: Deadline) -> Result<(), Error> {
    port.put("c", &at(), document, options, deadline).await.map(|_| ())
}

async fn get(port: &DynamoStorage) -> Option<Item> {
    port.get("c", &at(), soon()).await.unwrap()
}

async fn update(port: &DynamoStorage, changes: &[Change], deadline: Deadline) -> Result<Item, Error> {
    port.update("c", &at(), changes, &WriteOptions::default(), deadline).await
}

fn transaction() -> [Operation; 1] {
    let action = Action::Update(add().to_vec(), WriteOptions::default());
    [Operation { collection: "c".to_owned(), key: at(), action }]
}

#[tokio::test]
async fn throttled_requests_are_retried_until_they_succeed() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    let refused = || THROTTLES.map(|code| Fault::Error(400, code));
    faults.next("GetItem", refused());
    assert_eq!(get(port).await, None);
    assert_eq!(faults.sent("GetItem").len(), 5);
    faults.next("PutItem", refused());
    put(port, "{}", &when(Condition::Absent), soon()).await.unwrap();
    assert_eq!(faults.sent("PutItem").len(), 5, "a throttled write was not applied, so it is retried");
    faults.next("UpdateItem", refused());
    assert_eq!(update(port, &add(), soon()).await.unwrap().document, r#"{"n":1}"#);
}

#[tokio::test]
async fn requests_that_stay_throttled_fail_at_the_deadline() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    for operation in ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "BatchGetItem", "TransactWriteItems"] {
        faults.always(operation, Fault::Error(400, "ThrottlingException"));
    }
    let options = QueryOptions { range: None, order: Order::Ascending, limit: 1, cursor: None };
    assert_eq!(port.get("c", &at(), shortly()).await, Err(Error::Throttled));
    assert_eq!(port.get_many("c", &[at()], shortly()).await, Err(Error::Throttled));
    assert_eq!(port.query("c", "p", &options, shortly()).await, Err(Error::Throttled));
    assert_eq!(put(port, "{}", &WriteOptions::default(), shortly()).await, Err(Error::Throttled));
    assert_eq!(update(port, &add(), shortly()).await, Err(Error::Throttled));
    assert_eq!(port.delete("c", &at(), None, shortly()).await, Err(Error::Throttled));
    assert_eq!(port.transact(&transaction(), shortly()).await, Err(Error::Throttled));
}

/// Faults of a request whose outcome its sender does not know.
fn unanswered() -> [Fault; 4] {
    [Fault::Applied, Fault::Broken, Fault::Hang, Fault::Answer(200, "<html>".to_owned())]
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_confirmed_and_never_repeated() {
    for fault in unanswered() {
        for condition in [None, Some(Condition::Absent)] {
            let (subject, faults) = subject().await;
            let port = subject.port();
            let applied = matches!(fault, Fault::Applied);
            faults.next("PutItem", [fault.clone()]);
            let options = WriteOptions { condition, expires_at: None };
            let result = port.put("c", &at(), "{}", &options, shortly()).await;
            let found = get(port).await.map(|item| item.version);
            assert_eq!(result.clone().ok(), found, "{fault:?}");
            assert!(applied || result == Err(Error::Unavailable), "{fault:?}");
            let sent = faults.sent("PutItem");
            assert_eq!(sent.len(), 2, "{fault:?}");
            let condition = sent[1]["ConditionExpression"].as_str().unwrap();
            assert_eq!(condition, "#n0 = :v0", "the second request writes only what the first has written");

            put(port, r#"{"n":1,"l":[]}"#, &WriteOptions::default(), soon()).await.unwrap();
            for changes in [add(), append()] {
                faults.clear();
                faults.next("UpdateItem", [fault.clone()]);
                let result = update(port, &changes, shortly()).await;
                assert!(applied || result == Err(Error::Unavailable), "{fault:?}");
                assert_eq!(result.ok(), get(port).await.filter(|_| applied), "{fault:?}");
                assert_eq!(faults.sent("UpdateItem").len(), 2, "{fault:?}");
            }
            let expected = if applied { r#"{"l":[1],"n":2}"# } else { r#"{"l":[],"n":1}"# };
            assert_eq!(get(port).await.unwrap().document, expected, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_write_that_was_replaced_before_its_answer_was_lost_is_not_written_again() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    // The first write is applied, and another caller replaces it while the first one waits for its answer.
    faults.next("PutItem", [Fault::Applied]);
    faults.next("PutItem", [Fault::Broken]);
    let other = async {
        while get(port).await.is_none() {
            tokio::task::yield_now().await;
        }
        port.update("c", &at(), &add(), &when(Condition::Present), soon()).await.unwrap()
    };
    let options = WriteOptions::default();
    let (first, second) = tokio::join!(put(port, r#"{"n":7}"#, &options, soon()), other);
    assert_eq!(first, Err(Error::Unavailable));
    assert_eq!(get(port).await, Some(second), "an acknowledged write was lost");
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_not_repeated() {
    for fault in unanswered() {
        for condition in [None, Some(Condition::Present)] {
            let (subject, faults) = subject().await;
            let port = subject.port();
            put(port, "{}", &WriteOptions::default(), soon()).await.unwrap();
            faults.next("DeleteItem", [fault.clone()]);
            let result = port.delete("c", &at(), condition.as_ref(), shortly()).await;
            assert_eq!(result, Err(Error::Unavailable), "{fault:?}");
            // A repeated deletion would delete the document of another caller.
            assert_eq!(faults.sent("DeleteItem").len(), 1, "{fault:?}");
            assert_eq!(get(port).await.is_none(), matches!(fault, Fault::Applied), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn requests_that_were_not_sent_are_sent_again() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    faults.next("PutItem", [Fault::Unsent, Fault::Unsent]);
    put(port, "{}", &when(Condition::Absent), soon()).await.unwrap();
    assert_eq!(faults.sent("PutItem").len(), 3);
    faults.next("UpdateItem", [Fault::Unsent]);
    assert_eq!(update(port, &add(), soon()).await.unwrap().document, r#"{"n":1}"#);
    faults.next("DeleteItem", [Fault::Unsent]);
    port.delete("c", &at(), None, soon()).await.unwrap();
    faults.always("PutItem", Fault::Unsent);
    assert_eq!(put(port, "{}", &WriteOptions::default(), shortly()).await, Err(Error::Unavailable));
}

#[tokio::test]
async fn a_transaction_is_retried_with_its_token_and_applied_once() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    faults.next("TransactWriteItems", [Fault::Applied, Fault::Broken]);
    port.transact(&transaction(), soon()).await.unwrap();
    let sent = faults.sent("TransactWriteItems");
    assert_eq!(sent.len(), 3);
    let token = sent[0]["ClientRequestToken"].as_str().unwrap();
    assert!(!token.is_empty() && token.len() <= 36);
    assert!(sent.iter().all(|body| body == &sent[0]));
    assert_eq!(get(port).await.unwrap().document, r#"{"n":1}"#);
    port.transact(&transaction(), soon()).await.unwrap();
    assert_ne!(faults.sent("TransactWriteItems")[3]["ClientRequestToken"], Value::from(token));
    assert_eq!(get(port).await.unwrap().document, r#"{"n":2}"#);
}

#[tokio::test]
async fn reads_are_retried_after_temporary_failures() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    put(port, "{}", &WriteOptions::default(), soon()).await.unwrap();
    let failures = || {
        [
            Fault::Error(500, "InternalServerError"),
            Fault::Broken,
            Fault::Answer(200, "{".to_owned()),
            Fault::Answer(502, "<html>".to_owned()),
        ]
    };
    faults.next("GetItem", failures());
    assert!(get(port).await.is_some());
    assert_eq!(faults.sent("GetItem").len(), 5);
    faults.next("BatchGetItem", failures());
    assert!(port.get_many("c", &[at()], soon()).await.unwrap()[0].is_some());
    faults.next("Query", failures());
    let options = QueryOptions { range: None, order: Order::Ascending, limit: 1, cursor: None };
    assert_eq!(port.query("c", "p", &options, soon()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_connection_without_an_answer_leaves_time_to_retry_a_read() {
    let (subject, faults) = subject().await;
    faults.next("GetItem", [Fault::Hang]);
    assert_eq!(get(subject.port()).await, None);
    assert_eq!(faults.sent("GetItem").len(), 2);
    faults.always("GetItem", Fault::Hang);
    assert_eq!(subject.port().get("c", &at(), shortly()).await, Err(Error::Unavailable));
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    let passed = Deadline::after(Duration::ZERO);
    assert_eq!(port.get("c", &at(), passed).await, Err(Error::Unavailable));
    assert_eq!(put(port, "{}", &WriteOptions::default(), passed).await, Err(Error::Unavailable));
    assert_eq!(update(port, &add(), passed).await, Err(Error::Unavailable));
    assert_eq!(port.transact(&transaction(), passed).await, Err(Error::Unavailable));
    for operation in ["GetItem", "PutItem", "UpdateItem", "TransactWriteItems"] {
        assert_eq!(faults.sent(operation).len(), 0);
    }
}

#[tokio::test]
async fn unprocessed_keys_are_read_again() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    let keys: Vec<_> = (0..6).map(|sort| Key { sort: sort.to_string(), ..at() }).collect();
    for key in &keys {
        port.put("c", key, "{}", &WriteOptions::default(), soon()).await.unwrap();
    }
    let part = || Fault::Unprocessed { first: true };
    faults.next("BatchGetItem", [part(), Fault::Unprocessed { first: false }, part()]);
    let found = port.get_many("c", &keys, soon()).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    let sizes: Vec<_> = faults
        .sent("BatchGetItem")
        .iter()
        .map(|body| body["RequestItems"]["storage"]["Keys"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [6, 5, 5, 4]);
    faults.always("BatchGetItem", Fault::Unprocessed { first: false });
    assert_eq!(port.get_many("c", &keys, shortly()).await, Err(Error::Throttled));
}

#[tokio::test]
async fn each_reason_of_a_cancelled_transaction_has_its_error() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    for codes in
        [&["None", "TransactionConflict"][..], &["ThrottlingError"], &["ProvisionedThroughputExceeded", "None"]]
    {
        faults.clear();
        faults.next("TransactWriteItems", [Fault::cancelled(codes)]);
        port.transact(&transaction(), soon()).await.unwrap();
        assert_eq!(faults.sent("TransactWriteItems").len(), 2, "{codes:?}");
    }
    for (codes, expected) in [
        (&["TransactionConflict"][..], Error::Conflict),
        (&["ThrottlingError"], Error::Throttled),
        (&["ConditionalCheckFailed"], Error::Conflict),
        (&["ItemCollectionSizeLimitExceeded"], Error::TooLarge),
        (&["SomethingNew"], Error::Unavailable),
    ] {
        faults.clear();
        faults.always("TransactWriteItems", Fault::cancelled(codes));
        assert_eq!(port.transact(&transaction(), shortly()).await, Err(expected), "{codes:?}");
    }
    faults.clear();
    faults.always("TransactWriteItems", Fault::cancelled(&["None", "ValidationError"]));
    let Err(Error::Invalid(reason)) = port.transact(&transaction(), soon()).await else { panic!() };
    assert!(!reason.contains(SECRET), "{reason}");
    faults.clear();
    faults.next("TransactWriteItems", [Fault::Error(400, "TransactionInProgressException")]);
    port.transact(&transaction(), soon()).await.unwrap();
}

#[tokio::test]
async fn conflicting_transactions_are_waited_for() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    faults.next("PutItem", [Fault::Error(400, "TransactionConflictException")]);
    put(port, "{}", &when(Condition::Absent), soon()).await.unwrap();
    faults.always("UpdateItem", Fault::Error(400, "TransactionConflictException"));
    assert_eq!(update(port, &add(), shortly()).await, Err(Error::Conflict));
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    for code in ["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "Unheard"] {
        faults.clear();
        faults.always("GetItem", Fault::Error(400, code));
        assert_eq!(port.get("c", &at(), soon()).await, Err(Error::Unavailable), "{code}");
        assert_eq!(faults.sent("GetItem").len(), 1, "{code}");
    }
    faults.next("PutItem", [Fault::Error(400, "ItemCollectionSizeLimitExceededException")]);
    assert_eq!(put(port, "{}", &WriteOptions::default(), soon()).await, Err(Error::TooLarge));
    faults.next("PutItem", [Fault::Error(400, "ValidationException")]);
    let Err(Error::Invalid(reason)) = put(port, "{}", &WriteOptions::default(), soon()).await else { panic!() };
    assert!(!reason.is_empty() && !reason.contains(SECRET), "{reason}");
}
