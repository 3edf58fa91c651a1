//! Delivery of messages that were sent to a connection during its own `$connect`.

use std::time::Duration;

use tidegate_ports::Deadline;
use tidegate_ports::messaging::Messaging as _;

use crate::stub::{Answer, Stub, id, soon, text};

const DESCRIPTION: &str = r#"{"connectedAt":"2026-01-02T03:04:05Z","identity":{"sourceIp":"192.0.2.1","userAgent":""},
    "lastActiveAt":"2026-01-02T03:04:05Z"}"#;

/// Starts a stub whose socket opens at the request of this number. `post` returns the status of a post.
async fn opening_at(number: usize, post: fn(&str) -> u16) -> Stub {
    Stub::start(move |seen, (method, body, _)| match method.as_str() {
        "GET" if seen < number => Answer::Status(410),
        "GET" => Answer::Body(200, DESCRIPTION),
        _ => Answer::Status(post(body)),
    })
    .await
}

#[tokio::test]
async fn messages_are_posted_in_order_after_the_socket_opens() {
    let stub = opening_at(3, |_| 200).await;
    let delivered = stub.messaging().deliver_deferred(&id(1), &["a", "b", "c"].map(text), soon()).await;
    assert_eq!(delivered, 3);
    let seen: Vec<(String, String)> = stub.seen().into_iter().map(|(method, body, _)| (method, body)).collect();
    let expected = [("GET", ""), ("GET", ""), ("GET", ""), ("GET", ""), ("POST", "a"), ("POST", "b"), ("POST", "c")];
    assert_eq!(seen, expected.map(|(method, body)| (method.to_owned(), body.to_owned())));
}

#[tokio::test]
async fn a_socket_that_never_opens_receives_no_messages() {
    let stub = opening_at(usize::MAX, |_| 200).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 0);
    assert!(stub.count("GET") > 1);
    assert_eq!(stub.count("POST"), 0);
}

#[tokio::test]
async fn temporary_failures_are_retried_and_a_permanent_failure_ends_the_wait() {
    let temporary = [429, 500, 503].map(Answer::Status).into_iter().chain([Answer::Hang, Answer::Break, Answer::Noise]);
    for (number, failure) in temporary.enumerate() {
        let stub = Stub::start(move |seen, (method, _, _)| match method.as_str() {
            "GET" if seen == 0 => failure.clone(),
            "GET" => Answer::Body(200, DESCRIPTION),
            _ => Answer::Status(200),
        })
        .await;
        assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 1, "failure {number}");
    }
    let stub = Stub::always(Answer::Status(403)).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], soon()).await, 0);
    assert_eq!((stub.count("GET"), stub.count("POST")), (1, 0));
}

#[tokio::test]
async fn a_failed_delivery_drops_the_remaining_messages() {
    let stub = opening_at(0, |body| if body == "b" { 410 } else { 200 }).await;
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &["a", "b", "c"].map(text), soon()).await, 1);
    assert_eq!(stub.count("POST"), 2);
}

#[tokio::test]
async fn no_request_is_sent_after_the_deadline() {
    let stub = opening_at(0, |_| 200).await;
    let past = Deadline::after(Duration::ZERO);
    assert_eq!(stub.messaging().deliver_deferred(&id(1), &[text("a")], past).await, 0);
    assert_eq!(stub.seen(), []);
}
