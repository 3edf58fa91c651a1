//! The rollout state, its history and the status of releases while DynamoDB throttles, fails, or has invalid items.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use support::faults::{Fault, Faults};
use support::s3::S3;
use support::{releases_on, soon};
use tidegate_aws::{AwsStore, Clock, dynamodb::client};
use tidegate_dynamodb_embedded::Embedded;
use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_release::rollout::{Action, Change, Halt};
use tidegate_release::store::{
    CanaryCounts, Consistency, LoadReport, ReleaseReader as _, ReleaseWriter as _, StoreFailure,
};
use tidegate_release::{ReleaseId, RolloutState, StoreError};

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

async fn subject() -> (AwsStore, Client, Faults) {
    let faults = Faults::default();
    let client = client::local(faults.before(Embedded::memory().unwrap().http_client()));
    let store = releases_on(client.clone(), &S3::default()).await;
    faults.clear();
    (store, client, faults)
}

fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(400))
}

fn release(number: u64) -> ReleaseId {
    format!("{number:016x}").parse().unwrap()
}

fn next(state: &RolloutState, why: &str) -> (RolloutState, Change) {
    let next = state.activate(&release(state.generation + 1), None).unwrap();
    let change = state.change(&next, Action::Activate, Timestamp(1), "me".to_owned(), Some(why.to_owned()));
    (next, change)
}

fn halt(run: u64, host: &str) -> Halt {
    Halt { run, release: release(1), at: Timestamp(1), host: host.to_owned(), reason: "11 of 10".to_owned() }
}

async fn assert_state(store: &AwsStore, expected: &RolloutState) {
    assert_eq!(store.rollout_state(Consistency::Strong, soon()).await.as_ref(), Ok(expected));
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: &str) -> AttributeValue {
    AttributeValue::N(value.to_owned())
}

async fn put(client: &Client, table: &str, key: (&str, &str), attributes: &[(&str, AttributeValue)]) {
    let key = [("pk", text(key.0)), ("sk", text(key.1))];
    let item = key.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

async fn get(client: &Client, table: &str, key: (&str, &str)) -> HashMap<String, AttributeValue> {
    let request = client.get_item().table_name(table).key("pk", text(key.0)).key("sk", text(key.1));
    request.send().await.unwrap().item.unwrap()
}

#[tokio::test]
async fn a_change_without_an_answer_is_retried_and_applied_once() {
    let (store, _, faults) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    faults.next(
        "TransactWriteItems",
        [Fault::Applied, Fault::Error(400, "ThrottlingException"), Fault::cancelled(&["TransactionConflict", "None"])],
    );
    store.compare_and_set(&state, &change, soon()).await.unwrap();
    let sent = faults.sent("TransactWriteItems");
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|body| body["ClientRequestToken"] == sent[0]["ClientRequestToken"]));
    assert_state(&store, &state).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![change]));
}

#[tokio::test]
async fn a_change_that_was_applied_without_an_answer_succeeds() {
    let (store, _, faults) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    faults.always("TransactWriteItems", Fault::Applied);
    store.compare_and_set(&state, &change, shortly()).await.unwrap();
    assert_state(&store, &state).await;
}

#[tokio::test]
async fn a_change_whose_token_was_forgotten_is_recognised_by_its_history() {
    let (store, _, faults) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    let lost = Fault::cancelled(&["ConditionalCheckFailed", "ConditionalCheckFailed"]);
    faults.next("TransactWriteItems", [Fault::Applied, lost]);
    store.compare_and_set(&state, &change, soon()).await.unwrap();
    assert_state(&store, &state).await;
}

#[tokio::test]
async fn a_change_that_was_not_applied_fails_at_its_deadline() {
    let (store, _, faults) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    for fault in
        [Fault::Hang, Fault::Broken, Fault::Error(500, "InternalServerError"), Fault::Answer(200, "<".to_owned())]
    {
        faults.clear();
        faults.always("TransactWriteItems", fault);
        let start = Instant::now();
        let error = store.compare_and_set(&state, &change, shortly()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().starts_with("cannot change the rollout state in the table `releases`: "), "{error}");
        assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
        faults.clear();
        assert_state(&store, &RolloutState::default()).await;
    }
}

#[tokio::test]
async fn a_change_loses_to_another_one_that_was_applied_first() {
    let (store, _, faults) = subject().await;
    let (theirs, their_change) = next(&RolloutState::default(), "theirs");
    store.compare_and_set(&theirs, &their_change, soon()).await.unwrap();
    let (ours, our_change) = next(&RolloutState::default(), "ours");
    faults.next("TransactWriteItems", [Fault::Error(500, "InternalServerError")]);
    let error = store.compare_and_set(&ours, &our_change, soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
    assert!(error.to_string().contains("generation 1 of the rollout state"), "{error}");
    assert_state(&store, &theirs).await;
    assert_eq!(store.history(10, soon()).await, Ok(vec![their_change]));
}

#[tokio::test]
async fn a_change_must_have_the_generation_of_its_rollout_state() {
    let (store, client, faults) = subject().await;
    let (state, mut change) = next(&RolloutState::default(), "why");
    change.generation = 7;
    assert!(matches!(store.compare_and_set(&state, &change, soon()).await, Err(StoreError::Invalid(_))));
    assert!(faults.sent("TransactWriteItems").is_empty());
    // A table whose rollout state was restored from a backup.
    change.generation = 1;
    put(&client, "releases", ("history", "00000000000000000001"), &[("token", text("theirs"))]).await;
    let error = store.compare_and_set(&state, &change, soon()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Invalid(failure) if failure.why.contains("`releases`")), "{error:?}");
    assert_state(&store, &RolloutState::default()).await;
}

#[tokio::test]
async fn reads_are_retried_until_they_have_a_valid_answer() {
    let (store, _, faults) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    store.compare_and_set(&state, &change, soon()).await.unwrap();
    let passing = || {
        [
            Fault::Error(400, "ProvisionedThroughputExceededException"),
            Fault::Error(500, "InternalServerError"),
            Fault::Answer(200, "<html>".to_owned()),
            Fault::Broken,
            Fault::Hang,
        ]
    };
    faults.next("GetItem", passing());
    assert_state(&store, &state).await;
    assert_eq!(faults.sent("GetItem").len(), 6);
    faults.next("Query", passing());
    assert_eq!(store.history(1, soon()).await, Ok(vec![change]));
}

#[tokio::test]
async fn the_rollout_state_is_read_with_the_requested_consistency() {
    let (store, _, faults) = subject().await;
    store.rollout_state(Consistency::Eventual, soon()).await.unwrap();
    store.rollout_state(Consistency::Strong, soon()).await.unwrap();
    let consistent: Vec<_> = faults.sent("GetItem").iter().map(|body| body["ConsistentRead"] == true).collect();
    assert_eq!(consistent, [false, true]);
}

#[tokio::test]
async fn calls_without_an_answer_end_at_their_deadline() {
    let (store, _, faults) = subject().await;
    for operation in ["GetItem", "Query", "PutItem", "UpdateItem"] {
        faults.always(operation, Fault::Hang);
    }
    let start = Instant::now();
    let report = LoadReport { at: Timestamp(1), host: "host".to_owned(), failure: None };
    let errors = [
        store.rollout_state(Consistency::Strong, shortly()).await.unwrap_err(),
        store.halt(1, shortly()).await.unwrap_err(),
        store.record_halt(&halt(1, "host"), shortly()).await.unwrap_err(),
        store.add_canary_counts(1, CanaryCounts::default(), shortly()).await.unwrap_err(),
        store.canary_counts(1, shortly()).await.unwrap_err(),
        store.record_load(&release(1), &report, shortly()).await.unwrap_err(),
        store.load_reports(shortly()).await.unwrap_err(),
        store.history(1, shortly()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, StoreError::Unavailable(failure) if failure.why == "no answer in time"), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn refused_requests_are_not_retried_and_have_a_hint() {
    let (store, _, faults) = subject().await;
    for (code, hint) in [
        ("AccessDeniedException", "use credentials that allow this operation"),
        ("ResourceNotFoundException", "run `make deploy`"),
        ("ExpiredTokenException", "renew the expired credentials"),
    ] {
        faults.clear();
        faults.next("GetItem", [Fault::Error(400, code)]);
        let error = store.rollout_state(Consistency::Strong, soon()).await.unwrap_err();
        let what = "cannot read the rollout state in the table `releases`";
        let expected = StoreFailure::new(what, format!("{code}: arn:aws:dynamodb:secret")).hint(hint);
        assert_eq!(error, StoreError::Denied(expected));
        assert_eq!(faults.sent("GetItem").len(), 1);
    }
}

#[tokio::test]
async fn errors_name_the_item_of_an_invalid_rollout_state() {
    let (store, client, _) = subject().await;
    let document = |text: &str| ("document", self::text(text));
    let generation = || ("generation", number("1"));
    for (attributes, problem) in [
        (vec![], "`document`: it does not exist"),
        (vec![generation()], "`document`: it does not exist"),
        (vec![("document", number("1")), generation()], "`document`: it is not text"),
        (vec![document(""), generation()], "`document`: EOF"),
        (vec![document("[]"), generation()], "`document`: "),
        (vec![document(r#"{"generation":-1}"#), generation()], "`document`: "),
        (vec![document(r#"{"generation":1,"active":"x"}"#), generation()], "`document`: `x` is not a release id"),
        (vec![document(r#"{"generation":1,"more":1}"#), generation()], "`document`: unknown field `more`"),
        (vec![document(r#"{"generation":1}"#)], "`generation`: it does not exist"),
        (vec![document(r#"{"generation":1}"#), ("generation", text("1"))], "`generation`: it is not a number"),
        (
            vec![document(r#"{"generation":1}"#), ("generation", number("1.5"))],
            "`generation`: `1.5` is not a whole number",
        ),
        (vec![document(r#"{"generation":2}"#), generation()], "`generation`: the document has generation 2"),
    ] {
        put(&client, "releases", ("pointer", "current"), &attributes).await;
        let error = store.rollout_state(Consistency::Strong, soon()).await.unwrap_err();
        let expected =
            format!("cannot read the item `pointer`, `current` in the table `releases`: invalid attribute {problem}");
        assert!(
            matches!(&error, StoreError::Invalid(_)) && error.to_string().starts_with(&expected),
            "{error}\n{expected}"
        );
    }
}

#[tokio::test]
async fn errors_name_invalid_items_of_the_status() {
    let (store, client, _) = subject().await;
    let run = "00000000000000000001";
    let place = |partition, sort| format!("cannot read the item `{partition}`, `{sort}` in the table `release-status`");
    put(&client, "release-status", ("halt", run), &[("document", text("{}"))]).await;
    for error in
        [store.halt(1, soon()).await.unwrap_err(), store.record_halt(&halt(1, "host"), soon()).await.unwrap_err()]
    {
        assert!(matches!(&error, StoreError::Invalid(failure) if failure.what == place("halt", run)), "{error}");
    }
    for events in [text("1"), number("-1"), number("0.5"), AttributeValue::Null(true)] {
        put(&client, "release-status", ("canary", run), &[("events", events)]).await;
        let error = store.canary_counts(1, soon()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(failure) if failure.what == place("canary", run)), "{error}");
    }
    let alive = || ("expires_at", number("99999999999"));
    for (sort, attributes) in [
        ("other", vec![("at", number("1")), alive()]),
        ("0000000000000001", vec![alive()]),
        ("0000000000000001", vec![("at", number("1")), ("failure", text("{")), alive()]),
        ("0000000000000001", vec![("at", number("1")), ("loaded", text("x")), alive()]),
        ("0000000000000001", vec![("at", number("1")), ("expires_at", text("x"))]),
    ] {
        put(&client, "release-status", ("release", sort), &attributes).await;
        let error = store.load_reports(soon()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid(failure) if failure.what == place("release", sort)), "{error}");
        let gone = client.delete_item().table_name("release-status").key("pk", text("release")).key("sk", text(sort));
        gone.send().await.unwrap();
    }
    put(&client, "releases", ("history", run), &[("document", text("{}"))]).await;
    let error = store.history(1, soon()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Invalid(failure) if failure.what.contains("the item `history`, `0")),
        "{error}"
    );
}

#[tokio::test]
async fn a_halt_without_an_answer_is_stored_once() {
    let (store, _, faults) = subject().await;
    faults.next("PutItem", [Fault::Applied, Fault::Error(400, "ThrottlingException")]);
    assert_eq!(store.record_halt(&halt(1, "ours"), soon()).await, Ok(halt(1, "ours")));
    assert_eq!(faults.sent("PutItem").len(), 3);
    assert_eq!(store.record_halt(&halt(1, "theirs"), soon()).await, Ok(halt(1, "ours")));
    faults.always("GetItem", Fault::Error(500, "InternalServerError"));
    let error = store.record_halt(&halt(1, "theirs"), shortly()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn additions_are_retried_only_if_they_were_not_applied() {
    let (store, _, faults) = subject().await;
    let one = CanaryCounts { events: 1, traps: 1, ..CanaryCounts::default() };
    let report = LoadReport { at: Timestamp(1), host: "host".to_owned(), failure: None };
    faults.next("UpdateItem", [Fault::Error(400, "ThrottlingException"), Fault::Applied]);
    let error = store.add_canary_counts(1, one, soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    faults.next("UpdateItem", [Fault::Applied]);
    let error = store.record_load(&release(1), &report, soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(faults.sent("UpdateItem").len(), 3);
    assert_eq!(store.canary_counts(1, soon()).await, Ok(one));
    assert_eq!(store.load_reports(soon()).await.unwrap()[&release(1)].loaded, 1);
}

#[tokio::test]
async fn the_status_is_forgotten_after_a_month_and_the_rest_is_not() {
    let (store, client, _) = subject().await;
    let (state, change) = next(&RolloutState::default(), "why");
    store.compare_and_set(&state, &change, soon()).await.unwrap();
    store.add_canary_counts(1, CanaryCounts::default(), soon()).await.unwrap();
    store.record_halt(&halt(1, "host"), soon()).await.unwrap();
    let report = LoadReport { at: Timestamp::now(), host: "host".to_owned(), failure: Some("bad".to_owned()) };
    store.record_load(&release(1), &report, soon()).await.unwrap();
    let run = "00000000000000000001";
    let month = Timestamp::now().saturating_add(MONTH).seconds();
    for key in [("canary", run), ("release", "0000000000000001")] {
        let end: u64 = get(&client, "release-status", key).await["expires_at"].as_n().unwrap().parse().unwrap();
        assert!(end <= month && month - end < 60, "{end}");
    }
    assert!(
        !get(&client, "release-status", ("halt", run)).await.contains_key("expires_at"),
        "a halted canary would run again"
    );
    for key in [("pointer", "current"), ("history", run)] {
        assert!(!get(&client, "releases", key).await.contains_key("expires_at"));
    }
    assert_eq!(store.load_reports(soon()).await.unwrap().len(), 1);
    let later = store.with_clock(Clock::new(|| Timestamp::now().saturating_add(MONTH + Duration::from_secs(60))));
    assert!(later.load_reports(soon()).await.unwrap().is_empty(), "expired reports are ignored");
}

#[tokio::test]
async fn all_pages_are_read() {
    let (store, _, faults) = subject().await;
    let mut state = RolloutState::default();
    let mut changes = Vec::new();
    // A page has 1 MB.
    for _ in 0..8 {
        let (next, change) = next(&state, &"x".repeat(300_000));
        store.compare_and_set(&next, &change, soon()).await.unwrap();
        state = next;
        changes.insert(0, change);
    }
    assert!(store.history(100, soon()).await.unwrap() == changes);
    assert!(store.history(7, soon()).await.unwrap() == changes[..7]);
    for number in 0..8 {
        let report = LoadReport { at: Timestamp(1), host: "h".repeat(300_000), failure: Some("bad".to_owned()) };
        store.record_load(&release(number), &report, soon()).await.unwrap();
    }
    faults.clear();
    assert_eq!(store.load_reports(soon()).await.unwrap().len(), 8);
    assert!(faults.sent("Query").len() > 1);
}
