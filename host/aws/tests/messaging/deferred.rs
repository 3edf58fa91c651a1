//! What a connection was sent during its own `$connect`.

use std::time::Duration;

use tidegate_ports::Deadline;
use tidegate_ports::messaging::Messaging as _;

use crate::stub::{Answer, Stub, id, soon, text};

const DESCRIPTION: &str = r#"{"connectedAt":"2026-01-02T03:04:05Z","identity":{"sourceIp":"192.0.2.1","userAgent":""},
    "lastActiveAt":"2026-01-02T03:04:05Z"}"#;

/// A socket that opens at the request of this number; posts are answered with `post`.
async fn opens_at(number: usize, post: fn(&str) -> u16) -> Stub {
    Stub::start(move |seen, (method, body, _)| match method.as_str() {
        "GET" if seen < number => Answer::Status(410),
        "GET" => Answer::Body(200, DESCRIPTION),
        _ => Answer::Status(post(body)),
    })
    .await
}

#[tokio::test]
async fn nothing_is_posted_before_the_socket_is_open_and_then_all_of_it_in_order() {
    let stub = opens_at(3, |_| 200).await;
    let delivered = stub.messaging().deliver_deferred(&id(1), &["a", "b", "c"].map(text), soon()).await;
    assert_eq!(delivered, 3);
    let seen: Vec<(String, String)> = stub.seen().into_iter().map(|(method, body, _)| (method, body)).collect();
    let expected = [("GET", ""), ("GET", ""), ("GET", ""), ("GET", ""), ("POST", "a"), ("POST", "b"), ("POST", "c")];
    assert_eq!(seen, expected.map(|(method, body)| (method.to_owned(), body.to_owned())));
}

#[tokio::test]
async fn a_socket_that_never_opens_gets_nothing() {
    let stub = opens_at(usize::MAX, |_| 200).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 0);
    assert!(stub.count("GET") > 1);
    assert_eq!(stub.count("POST"), 0);
}

#[tokio::test]
async fn looking_survives_what_passes_and_ends_at_what_does_not() {
    for status in [429, 500, 503] {
        let stub = Stub::start(move |seen, (method, _, _)| match method.as_str() {
            "GET" if seen == 0 => Answer::Status(status),
            "GET" => Answer::Body(200, DESCRIPTION),
            _ => Answer::Status(200),
        })
        .await;
        assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 1, "{status}");
    }
    let stub = Stub::always(Answer::Status(403)).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 0);
    assert_eq!((stub.count("GET"), stub.count("POST")), (1, 0));
}

#[tokio::test]
async fn after_one_that_was_not_delivered_the_rest_is_dropped() {
    let stub = opens_at(0, |body| if body == "b" { 410 } else { 200 }).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &["a", "b", "c"].map(text), soon()).await, 1);
    assert_eq!(stub.count("POST"), 2);
}

#[tokio::test]
async fn nothing_is_looked_for_after_the_deadline() {
    let stub = opens_at(0, |_| 200).await;
    let past = Deadline::after(Duration::ZERO);
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], past).await, 0);
    assert_eq!(stub.seen(), []);
}
