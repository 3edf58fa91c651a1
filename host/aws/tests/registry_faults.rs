//! The registry while DynamoDB throttles or fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::faults::{Fault, Faults};
use support::{Subject, client_of, registry_on, soon};
use tidegate_aws::{DynamoRegistry, Tables, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_event::{Connection, ConnectionId};
use tidegate_ports::registry::Error;
use tidegate_ports::{Deadline, Registry};

async fn subject() -> (Subject<DynamoRegistry>, Faults) {
    let faults = Faults::default();
    let database = Embedded::memory().unwrap();
    let client = client::local(faults.before(database.http_client()));
    Tables::default().create_missing(&client).await.unwrap();
    faults.clear();
    (registry_on(client), faults)
}

fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

fn id() -> ConnectionId {
    ConnectionId::new("L0SM9cOFvHcCIhw=").unwrap()
}

async fn register(subject: &Subject<DynamoRegistry>) -> Result<(), Error> {
    let connection = Connection {
        id: id(),
        connected_at: subject.clock().now(),
        source_ip: "192.0.2.7".to_owned(),
        user_agent: None,
        domain_name: "abc.example".to_owned(),
        stage: "dev".to_owned(),
        principal: None,
        context: Vec::new(),
    };
    subject.port().register(&connection, soon()).await
}

async fn count(port: &DynamoRegistry, groups: impl Iterator<Item = String>) -> u64 {
    let mut count = 0;
    for group in groups {
        count += port.count(&group, soon()).await.unwrap();
    }
    count
}

fn set(name: &str) -> [(String, Option<String>); 1] {
    [(name.to_owned(), Some("x".to_owned()))]
}

#[tokio::test]
async fn registering_and_joining_are_retried() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    faults.next("PutItem", [Fault::Applied, Fault::Error(400, "ThrottlingException")]);
    register(&subject).await.unwrap();
    assert_eq!(faults.sent("PutItem").len(), 3);
    faults.next("TransactWriteItems", [Fault::Applied, Fault::cancelled(&["TransactionConflict", "None"])]);
    port.join("lobby", &id(), soon()).await.unwrap();
    let sent = faults.sent("TransactWriteItems");
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0]["ClientRequestToken"], sent[1]["ClientRequestToken"]);
    assert_eq!(port.describe(&id(), soon()).await.unwrap().groups, ["lobby"]);
    faults.always("TransactWriteItems", Fault::cancelled(&["TransactionConflict", "None"]));
    assert_eq!(port.leave("lobby", &id(), shortly()).await, Err(Error::Throttled));
}

#[tokio::test]
async fn an_attempt_to_register_that_arrives_late_changes_nothing() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    port.join("lobby", &id(), soon()).await.unwrap();
    port.set_attributes(&id(), &set("a"), soon()).await.unwrap();
    let before = port.describe(&id(), soon()).await;
    register(&subject).await.unwrap();
    assert_eq!(port.describe(&id(), soon()).await, before);
    assert_eq!(faults.sent("PutItem")[0], faults.sent("PutItem")[1]);
}

#[tokio::test]
async fn unprocessed_deletions_of_memberships_are_retried() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    let groups = || (0..40).map(|number| format!("g{number}"));
    for group in groups() {
        port.join(&group, &id(), soon()).await.unwrap();
    }
    let part = || Fault::Unprocessed { first: true };
    faults.next("BatchWriteItem", [part(), Fault::Unprocessed { first: false }, part(), Fault::Applied]);
    port.unregister(&id(), soon()).await.unwrap();
    assert_eq!(count(port, groups()).await, 0);
    let sizes: Vec<_> = faults
        .sent("BatchWriteItem")
        .iter()
        .map(|body| body["RequestItems"]["groups"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [25, 24, 24, 23, 23, 15]);
}

#[tokio::test]
async fn memberships_that_cannot_be_removed_are_an_error() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    port.join("lobby", &id(), soon()).await.unwrap();
    faults.always("BatchWriteItem", Fault::Unprocessed { first: false });
    assert_eq!(port.unregister(&id(), shortly()).await, Err(Error::Throttled));
}

#[tokio::test]
async fn a_failed_deletion_is_retried_and_a_lost_answer_is_an_error() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    port.join("lobby", &id(), soon()).await.unwrap();
    faults.next("DeleteItem", [Fault::Error(500, "InternalServerError")]);
    port.unregister(&id(), soon()).await.unwrap();
    assert_eq!(port.count("lobby", soon()).await, Ok(0));

    register(&subject).await.unwrap();
    port.join("lobby", &id(), soon()).await.unwrap();
    faults.next("DeleteItem", [Fault::Applied]);
    assert_eq!(port.unregister(&id(), soon()).await, Err(Error::Unavailable), "the names of the groups are lost");
    assert_eq!(port.describe(&id(), soon()).await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_deletion_without_an_answer_leaves_time_for_a_retry() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    port.join("lobby", &id(), soon()).await.unwrap();
    faults.next("DeleteItem", [Fault::Hang]);
    port.unregister(&id(), soon()).await.unwrap();
    assert_eq!(faults.sent("DeleteItem").len(), 2);
    assert_eq!(port.count("lobby", soon()).await, Ok(0));
    assert_eq!(port.describe(&id(), soon()).await, Err(Error::NotFound));
}

#[tokio::test]
async fn a_conditional_deletion_is_not_retried_after_a_lost_answer() {
    let (subject, faults) = subject().await;
    register(&subject).await.unwrap();
    subject.clock().advance(Duration::from_secs(60));
    faults.next("DeleteItem", [Fault::Applied]);
    assert_eq!(subject.port().reap(&id(), soon()).await, Err(Error::Unavailable));
    assert_eq!(faults.sent("DeleteItem").len(), 1);
}

#[tokio::test]
async fn attributes_are_read_again_after_a_concurrent_change() {
    let (subject, faults) = subject().await;
    let port = subject.port();
    register(&subject).await.unwrap();
    faults.next("UpdateItem", [Fault::Error(400, "ConditionalCheckFailedException")]);
    port.set_attributes(&id(), &set("a"), soon()).await.unwrap();
    assert_eq!((faults.sent("GetItem").len(), faults.sent("UpdateItem").len()), (2, 2));
    faults.always("UpdateItem", Fault::Error(400, "ConditionalCheckFailedException"));
    assert_eq!(port.set_attributes(&id(), &set("b"), shortly()).await, Err(Error::Throttled));
    faults.clear();
    for (name, fault, expected) in [
        ("b", Fault::Applied, Ok(())),
        ("c", Fault::Broken, Err(Error::Unavailable)),
        ("d", Fault::Hang, Err(Error::Unavailable)),
    ] {
        faults.clear();
        faults.next("UpdateItem", [fault]);
        assert_eq!(port.set_attributes(&id(), &set(name), shortly()).await, expected, "{name}");
        assert_eq!(faults.sent("UpdateItem").len(), 1);
    }
}

#[tokio::test]
async fn concurrent_events_do_not_lose_changes() {
    let directory = tempfile::tempdir().unwrap();
    // Requests to a file wait for its thread, so that the events interleave.
    let database = Embedded::open(directory.path().join("data.db")).unwrap();
    let subject = registry_on(client_of(&database).await);
    register(&subject).await.unwrap();
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let port = subject.port().clone();
            tokio::spawn(async move {
                if number < 8 {
                    port.set_attributes(&id(), &set(&number.to_string()), soon()).await.unwrap();
                }
                port.join(&format!("g{number}"), &id(), soon()).await
            })
        })
        .collect();
    let mut rejected = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => {}
            Err(Error::Invalid(_)) => rejected += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let entry = subject.port().describe(&id(), soon()).await.unwrap();
    assert_eq!((entry.attributes.len(), entry.groups.len(), rejected), (8, 50, 10));
    assert_eq!(count(subject.port(), (0..60).map(|number| format!("g{number}"))).await, 50);
}
