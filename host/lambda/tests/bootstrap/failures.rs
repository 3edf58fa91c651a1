//! Events that fail: each has an answer, and the process continues.

use std::time::Duration;

use crate::app;
use crate::events;
use crate::process::{setup, soon};

#[tokio::test]
async fn an_invalid_event_is_a_function_error_and_the_next_is_answered() {
    let mut bootstrap = setup(&app()).await.start().await;
    for event in ["{}", "null", "[]", "not JSON", "", "{\"Records\":[{\"eventSource\":\"aws:sqs\"}]}"] {
        let error = bootstrap.invoke(event.as_bytes().to_vec()).await.unwrap_err();
        assert_eq!(error.error_type, "Tidegate.InvalidEvent", "{event}");
    }
    let error = bootstrap.invoke(vec![b'{', 0xff, 0xfe]).await.unwrap_err();
    assert_eq!(error.error_type, "Tidegate.InvalidEvent");
    assert_eq!(bootstrap.text(events::message("echo", "still here")).await, "still here");
    assert!(bootstrap.is_alive());
}

#[tokio::test]
async fn a_trap_is_a_function_error_and_the_next_is_answered() {
    let bootstrap = setup(&app()).await.start().await;
    for (behaviour, kind) in [("trap", "Tidegate.Trap"), ("panicking", "Tidegate.Trap"), ("memory", "Tidegate.Trap")] {
        let error = bootstrap.invoke(events::message("any", behaviour)).await.unwrap_err();
        assert_eq!(error.error_type, kind, "{behaviour}");
        assert_eq!(bootstrap.text(events::message("echo", behaviour)).await, behaviour);
    }
    let traps = bootstrap.line(|line| line["Traps"] == 1).await;
    assert_eq!((&traps["Route"], &traps["Errors"]), (&"any".into(), &1.into()));
}

#[tokio::test]
async fn traps_on_connect_and_disconnect_are_counted() {
    let bootstrap = setup(&app()).await.start().await;
    assert_eq!(bootstrap.reply(events::connect("trap")).await.status, 500);
    let trap = bootstrap.line(|line| line["Route"] == "$connect" && line["Traps"] == 1).await;
    assert_eq!(trap["Errors"], 0);
    assert_eq!(bootstrap.reply(events::disconnect("trap")).await.status, 200);
    bootstrap.line(|line| line["Route"] == "$disconnect" && line["Traps"] == 1).await;
}

#[tokio::test]
async fn a_guest_ends_before_lambdas_deadline() {
    let mut bootstrap = setup(&app()).await.start().await;
    let time = Duration::from_secs(1);
    let error = soon(bootstrap.api.invoke(events::message("any", "spin"), time)).await.unwrap_err();
    assert_eq!(error.error_type, "Tidegate.Timeout");
    assert_eq!(bootstrap.text(events::message("echo", "next")).await, "next");
    assert!(bootstrap.is_alive());
}

#[tokio::test]
async fn a_failing_table_refuses_the_connection_and_the_process_continues() {
    let mut bootstrap = setup(&app()).await.start().await;
    for (status, kind) in [
        (400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"),
        (400, "com.amazon.coral.service#AccessDeniedException"),
        (400, "com.amazon.coral.validate#ValidationException"),
        (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    ] {
        bootstrap.aws.fail_dynamodb(Some((status, kind)));
        let answer = soon(bootstrap.api.invoke(events::connect("echo"), Duration::from_secs(2))).await.unwrap();
        assert!(String::from_utf8(answer).unwrap().contains("500"), "{kind}");
    }
    bootstrap.logged("cannot register the connection").await;
    bootstrap.aws.fail_dynamodb(None);
    assert_eq!(bootstrap.reply(events::connect("echo")).await.status, 200);
    assert!(bootstrap.is_alive());
}

#[tokio::test]
async fn throttled_writes_are_retried_until_the_deadline() {
    let bootstrap = setup(&app()).await.start().await;
    let throttle = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    bootstrap.aws.fail_dynamodb(Some((400, throttle)));
    let answer = soon(bootstrap.api.invoke(events::connect("echo"), Duration::from_secs(1))).await.unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("500"));
    bootstrap.logged("throttled").await;
}
