//! Route selection, route responses and error frames.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_event::SelectionExpression;
use tidegate_gateway::{InvokeError, Rate};
use tokio::sync::Semaphore;

use crate::client::error_frame;
use crate::harness::{Harness, setup};
use crate::script::Action;

/// Replies with the key of the selected route.
fn routed(event: &Value) -> Action {
    Action::body(event["requestContext"]["routeKey"].as_str().unwrap())
}

async fn with_selection(expression: &str, routes: &[&str]) -> Harness {
    let expression = SelectionExpression::parse(expression).unwrap();
    setup(routes).handler(routed).api(|api| api.selection = expression).start().await
}

#[tokio::test]
async fn body_members_select_the_route() {
    let gateway = with_selection("$request.body.action", &["$connect", "$default?", "chat?", "1?", "true?"]).await;
    let mut client = gateway.connect().await;
    for (body, route) in [
        (r#"{"action":"chat"}"#, "chat"),
        (r#"{"action":1}"#, "1"),
        (r#"{"action":true}"#, "true"),
        (r#"{"action":"Chat"}"#, "$default"),
        (r#"{"action":""}"#, "$default"),
        (r#"{}"#, "$default"),
        ("[1]", "$default"),
        ("not JSON", "$default"),
        ("", "$default"),
    ] {
        client.send(body).await;
        assert_eq!(client.text().await, route, "{body}");
    }
}

#[tokio::test]
async fn composite_and_static_expressions_select_the_route() {
    let routes = ["$connect", "$default?", "a/b?", "v1-a?", "$a?", "all?"];
    for (expression, body, route) in [
        ("${request.body.x}/${request.body.y}", r#"{"x":"a","y":"b"}"#, "a/b"),
        ("${request.body.x}/${request.body.y}", r#"{"x":"a"}"#, "$default"),
        ("v1-${request.body.x.y}", r#"{"x":{"y":"a"}}"#, "v1-a"),
        (r"\$${request.body.x}", r#"{"x":"a"}"#, "$a"),
        ("all", "anything", "all"),
        ("none", "anything", "$default"),
    ] {
        let gateway = with_selection(expression, &routes).await;
        let mut client = gateway.connect().await;
        client.send(body).await;
        assert_eq!(client.text().await, route, "{expression} {body}");
    }
}

#[tokio::test]
async fn messages_cannot_select_connect_or_disconnect() {
    let gateway = with_selection("$request.body.action", &["$connect", "$disconnect", "$default?"]).await;
    let mut client = gateway.connect().await;
    for action in ["$connect", "$disconnect", "$default"] {
        client.send(&json!({ "action": action }).to_string()).await;
        assert_eq!(client.text().await, "$default");
        assert_eq!(gateway.event().await["requestContext"]["eventType"], "MESSAGE");
    }
}

#[tokio::test]
async fn messages_without_a_route_get_the_forbidden_frame() {
    let gateway = setup(&["$connect", "chat"]).start().await;
    let mut client = gateway.connect().await;
    for body in [r#"{"action":"shout"}"#, "not JSON"] {
        client.send(body).await;
        let frame = client.text().await;
        assert_eq!(frame, error_frame("Forbidden", &client, &frame));
    }
    assert!(gateway.is_quiet().await);
}

#[tokio::test]
async fn replies_reach_the_client_only_on_two_way_routes() {
    let gateway = setup(&["$connect", "one-way", "two-way?"]).messages(Action::body).start().await;
    let mut client = gateway.connect().await;
    for action in ["one-way", "two-way", "one-way", "two-way"] {
        client.send(&json!({ "action": action }).to_string()).await;
        gateway.event().await;
    }
    for _ in 0..2 {
        assert_eq!(client.text().await, r#"{"action":"two-way"}"#);
    }
    client.ping().await;
}

#[tokio::test]
async fn replies_can_have_any_status_and_no_body() {
    let gateway = setup(&["$connect", "$default?"])
        .messages(|body| match body {
            "silent" => Action::status(200),
            status => Action::Answer(json!({ "statusCode": status, "body": status })),
        })
        .start()
        .await;
    let mut client = gateway.connect().await;
    for body in ["silent", "400", "500"] {
        client.send(body).await;
    }
    let mut replies = [client.text().await, client.text().await];
    replies.sort();
    assert_eq!(replies, ["400", "500"]);
    client.ping().await;
}

#[tokio::test]
async fn base64_replies_are_sent_as_text_if_they_are_utf_8() {
    use tokio_tungstenite::tungstenite::Message;
    let script = |body: &str| Action::Answer(json!({ "statusCode": 200, "body": body, "isBase64Encoded": true }));
    let gateway = setup(&["$connect", "$default?"]).messages(script).start().await;
    let mut client = gateway.connect().await;
    client.send("/wA=").await;
    assert_eq!(client.frame().await.unwrap().unwrap(), Message::binary(vec![0xff, 0]));
    client.send("aGk=").await;
    assert_eq!(client.text().await, "hi");
}

#[tokio::test]
async fn failed_integrations_send_the_internal_server_error_frame_on_any_route() {
    let script = |body: &str| match body {
        "crash" => Action::error("boom"),
        "panic" => Action::Panic,
        "down" => Action::Fail(InvokeError::Unavailable("down".to_owned())),
        "nothing" => Action::Raw("null"),
        "no status" => Action::Answer(json!({ "body": "x" })),
        "large" => Action::body(&"x".repeat(131_073)),
        _ => Action::body(body),
    };
    for routes in [["$connect", "$default"], ["$connect", "$default?"]] {
        let gateway = setup(&routes).messages(script).start().await;
        let mut client = gateway.connect().await;
        for body in ["crash", "panic", "down", "nothing", "no status", "large"] {
            client.send(body).await;
            let frame = client.text().await;
            assert_eq!(frame, error_frame("Internal server error", &client, &frame), "{body}");
            let request_id = gateway.event().await["requestContext"]["requestId"].clone();
            assert!(frame.contains(request_id.as_str().unwrap()));
        }
        client.ping().await;
    }
}

#[tokio::test]
async fn integrations_time_out_after_29_seconds() {
    let never = Arc::new(Semaphore::new(0));
    let script = move |_: &str| Action::Wait(never.clone(), Box::new(Action::body("too late")));
    let gateway = setup(&["$connect", "$default?"]).messages(script).start().await;
    let mut client = gateway.connect().await;
    client.send("wait").await;
    gateway.event().await;
    gateway.clock.advance(Duration::from_millis(28_999));
    client.ping().await;
    gateway.clock.advance(Duration::from_millis(1));
    let frame = client.text().await;
    assert_eq!(frame, error_frame("Endpoint request timed out", &client, &frame));
}

#[tokio::test]
async fn function_timeouts_send_the_timed_out_frame() {
    let gateway = setup(&["$connect", "$default"]).messages(|_| Action::Fail(InvokeError::Timeout)).start().await;
    let mut client = gateway.connect().await;
    client.send("x").await;
    let frame = client.text().await;
    assert_eq!(frame, error_frame("Endpoint request timed out", &client, &frame));
}

#[tokio::test]
async fn messages_of_one_connection_are_handled_concurrently() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let script = move |body: &str| match body {
        "slow" => Action::Wait(held.clone(), Box::new(Action::body("slow"))),
        body => Action::body(body),
    };
    let gateway = setup(&["$connect", "$default?"]).messages(script).start().await;
    let mut client = gateway.connect().await;
    client.send("slow").await;
    client.send("quick").await;
    assert_eq!(client.text().await, "quick");
    client.ping().await;
    gate.add_permits(1);
    assert_eq!(client.text().await, "slow");
}

#[tokio::test]
async fn messages_above_the_rate_get_an_error_frame() {
    let rate = Rate { per_second: 1, burst: 2 };
    let setup = setup(&["$connect", "$default?"]).messages(Action::body);
    let gateway = setup.limits(|limits| limits.requests = Some(rate)).start().await;
    let mut client = gateway.connect().await;
    for body in ["1", "2", "3"] {
        client.send(body).await;
    }
    assert_eq!([client.text().await, client.text().await], ["1", "2"]);
    let frame = client.text().await;
    assert_eq!(frame, error_frame("Too Many Requests", &client, &frame));
    gateway.clock.advance(Duration::from_secs(1));
    client.send("4").await;
    assert_eq!(client.text().await, "4");
}

#[tokio::test]
async fn new_configurations_apply_to_the_next_message_of_open_sockets() {
    let gateway = setup(&["$connect", "$default?"]).handler(routed).start().await;
    let mut client = gateway.connect().await;
    client.send(r#"{"action":"new"}"#).await;
    assert_eq!(client.text().await, "$default");
    gateway.gateway.replace(setup(&["$connect", "new?"]).api);
    client.send(r#"{"action":"new"}"#).await;
    assert_eq!(client.text().await, "new");
}
