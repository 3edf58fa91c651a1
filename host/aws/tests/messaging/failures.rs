//! Failures of `@connections`: the error of a call, and the number of its attempts.

use std::time::Duration;

use tidegate_event::Timestamp;
use tidegate_ports::Deadline;
use tidegate_ports::messaging::{Error, Messaging as _};

use crate::stub::{Answer, SECRET, Stub, id, soon, text};

/// Sends a message, and returns its error. Checks that there was one attempt.
async fn post(answer: Answer, deadline: Deadline) -> Error {
    let stub = Stub::always(answer).await;
    let error = stub.messaging().send(&id(1), &text("hello"), deadline).await.unwrap_err();
    assert_eq!(stub.seen(), [("POST".to_owned(), "hello".to_owned(), id(1).as_str().to_owned())]);
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

#[tokio::test]
async fn each_status_has_its_error_and_is_not_retried() {
    for (status, error) in [
        (410, Error::Gone),
        (413, Error::TooLarge),
        (403, Error::Forbidden),
        (401, Error::Forbidden),
        (400, Error::Invalid("API Gateway does not accept this connection id".to_owned())),
        (404, Error::Unavailable),
        (500, Error::Unavailable),
        (502, Error::Unavailable),
        (503, Error::Unavailable),
        (504, Error::Unavailable),
    ] {
        assert_eq!(post(Answer::Status(status), soon()).await, error, "{status}");
    }
}

#[tokio::test]
async fn the_error_depends_on_the_status_and_not_on_the_body() {
    for body in ["<html>", "", "{", "[1]", "null"] {
        assert_eq!(post(Answer::Body(410, body), soon()).await, Error::Gone, "{body}");
        assert_eq!(post(Answer::Body(500, body), soon()).await, Error::Unavailable, "{body}");
    }
}

#[tokio::test]
async fn posts_are_not_retried_after_a_broken_connection() {
    assert_eq!(post(Answer::Break, soon()).await, Error::Unavailable);
    assert_eq!(post(Answer::Noise, soon()).await, Error::Unavailable);
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_deadline() {
    assert_eq!(post(Answer::Hang, Deadline::after(Duration::from_millis(300))).await, Error::Unavailable);
}

#[tokio::test]
async fn throttled_posts_are_retried_until_they_succeed() {
    let stub = Stub::start(|number, _| Answer::Status(if number < 3 { 429 } else { 200 })).await;
    assert_eq!(stub.messaging().send(&id(1), &text("hello"), soon()).await, Ok(()));
    assert_eq!(stub.count("POST"), 4);
}

#[tokio::test]
async fn posts_that_stay_throttled_fail_at_the_deadline() {
    let stub = Stub::always(Answer::Status(429)).await;
    let deadline = Deadline::after(Duration::from_millis(500));
    assert_eq!(stub.messaging().send(&id(1), &text("hello"), deadline).await, Err(Error::Throttled));
    assert!(stub.count("POST") > 1);
}

#[tokio::test]
async fn a_failure_after_throttling_is_not_retried() {
    let stub = Stub::start(|number, _| Answer::Status(if number == 0 { 429 } else { 500 })).await;
    assert_eq!(stub.messaging().send(&id(1), &text("hello"), soon()).await, Err(Error::Unavailable));
    assert_eq!(stub.count("POST"), 2);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let mut stub = Stub::always(Answer::Hang).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    stub.url = format!("http://{}/dev", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(stub.messaging().send(&id(1), &text("hello"), soon()).await, Err(Error::Unavailable));
}

#[tokio::test]
async fn descriptions_are_decoded() {
    let stub = Stub::always(Answer::Body(
        200,
        r#"{"connectedAt":"2026-01-02T03:04:05.678Z","identity":{"sourceIp":"192.0.2.1","userAgent":"curl/8"},
            "lastActiveAt":"2026-01-02T03:04:06Z"}"#,
    ))
    .await;
    let socket = stub.messaging().describe(&id(1), soon()).await.unwrap();
    assert_eq!(socket.connected_at, Timestamp(1_767_323_045_678));
    assert_eq!(socket.last_active_at, Timestamp(1_767_323_046_000));
    assert_eq!((socket.source_ip.as_str(), socket.user_agent.as_deref()), ("192.0.2.1", Some("curl/8")));
}

#[tokio::test]
async fn invalid_descriptions_are_unavailable() {
    for body in ["{}", "<html>", r#"{"connectedAt":"yesterday"}"#, r#"{"connectedAt":"2026-01-02T03:04:05Z"}"#] {
        let stub = Stub::always(Answer::Body(200, body)).await;
        assert_eq!(stub.messaging().describe(&id(1), soon()).await, Err(Error::Unavailable), "{body}");
        assert_eq!(stub.count("GET"), 1);
    }
}

#[tokio::test]
async fn closing_is_retried_only_after_throttling() {
    let stub = Stub::start(|number, _| Answer::Status(if number == 0 { 429 } else { 204 })).await;
    assert_eq!(stub.messaging().close(&id(1), soon()).await, Ok(()));
    assert_eq!(stub.count("DELETE"), 2);
    for (status, error) in [(410, Error::Gone), (403, Error::Forbidden), (500, Error::Unavailable)] {
        let stub = Stub::always(Answer::Status(status)).await;
        assert_eq!(stub.messaging().close(&id(1), soon()).await, Err(error));
        assert_eq!(stub.count("DELETE"), 1);
    }
}
