//! Handshakes, and the statuses that refuse them.

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tidegate_app::IdentitySource;
use tidegate_app::rules::CONTEXT;
use tidegate_gateway::{Function, InvokeError, Limits, Rate};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Answer;
use crate::harness::{Harness, setup};
use crate::log::Log;
use crate::script::Action;

/// Asserts that an answer is a refusal with the ids of the connection and the request.
fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status);
    let body = answer.json();
    assert_eq!(body["message"], message);
    assert!(body["connectionId"].as_str().is_some_and(|id| id.ends_with('=')), "{body}");
    assert!(body["requestId"].is_string(), "{body}");
}

fn header() -> IdentitySource {
    IdentitySource::Header("Authorization".to_owned())
}

#[tokio::test]
async fn sockets_open_only_after_connect_has_replied_2xx() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let gateway =
        setup(&["$connect"]).handler(move |_| Action::Wait(held.clone(), Box::new(Action::status(204)))).start().await;
    let shaking = gateway.handshake("/dev", &[]);
    tokio::pin!(shaking);
    tokio::select! {
        answer = &mut shaking => panic!("answered {answer:?} before $connect did"),
        event = gateway.event() => {
            // The connection exists, but it is not open: a post to it during $connect fails with 410.
            let id = event["requestContext"]["connectionId"].as_str().unwrap();
            assert_eq!(gateway.management(http::Method::POST, id, "early").await.status, StatusCode::GONE);
        }
    }
    gate.add_permits(1);
    let answer = shaking.await;
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[tokio::test]
async fn missing_identity_sources_are_401_without_calling_the_authorizer() {
    let sources = [header(), IdentitySource::QueryString("token".to_owned())];
    let gateway = setup(&["$connect"]).authorizer(&sources, |event| Action::allow(event, json!({}))).start().await;
    let with_header = [("Authorization", "x")];
    for (path, headers) in
        [("/dev", &[][..]), ("/dev", &with_header), ("/dev?token=y", &[]), ("/dev?token=", &with_header)]
    {
        assert_refused(&gateway.handshake(path, headers).await, 401, "Unauthorized");
    }
    assert!(gateway.is_quiet().await);
    assert_eq!(gateway.handshake("/dev?token=y", &[("authorization", "x")]).await.status, 101);
    assert_eq!(gateway.invocation().await.0, Function::Authorizer);
}

#[tokio::test]
async fn missing_identity_sources_are_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let sources = [
        header(),
        IdentitySource::QueryString("token".to_owned()),
        IdentitySource::StageVariable("tenant".to_owned()),
        IdentitySource::Context("identity.userAgent".to_owned()),
    ];
    let names = [
        "route.request.header.Authorization",
        "route.request.querystring.token",
        "stageVariables.tenant",
        "context.identity.userAgent",
    ];
    for (source, name) in sources.into_iter().zip(names) {
        let gateway = setup(&[]).authorizer(&[source], |event| Action::allow(event, json!({}))).start().await;
        let answer = gateway.handshake("/dev?token=", &[]).await;
        let connection = answer.json()["connectionId"].as_str().unwrap().to_owned();
        let text = log.text();
        let line = text.lines().find(|line| line.contains(&connection)).expect("a line of this connection");
        assert!(line.contains("INFO") && line.contains(&format!("source={name}")), "{line}");
    }
}

#[tokio::test]
async fn stage_variables_and_context_are_identity_sources() {
    let variable = IdentitySource::StageVariable("tenant".to_owned());
    let sources = [variable.clone(), IdentitySource::Context("identity.sourceIp".to_owned())];
    let allow = |event: &Value| Action::allow(event, json!({}));
    let gateway = setup(&[]).authorizer(&sources, allow).start().await;
    assert_refused(&gateway.handshake("/dev", &[]).await, 401, "Unauthorized");
    let with_variable = setup(&[]).authorizer(&sources, allow);
    let gateway = with_variable.api(|api| api.stage_variables = vec![("tenant".into(), "t1".into())]).start().await;
    assert_eq!(gateway.handshake("/dev", &[]).await.status, 101);
    assert_eq!(gateway.invocation().await.1["stageVariables"], json!({ "tenant": "t1" }));
    let unknown = [variable, IdentitySource::Context("identity.cognitoIdentityId".to_owned())];
    let gateway = setup(&[]).authorizer(&unknown, allow).start().await;
    assert_refused(&gateway.handshake("/dev", &[]).await, 401, "Unauthorized");
}

#[tokio::test]
async fn every_context_variable_of_api_gateway_is_present_in_a_handshake() {
    let sources = CONTEXT.map(|name| IdentitySource::Context(name.to_owned()));
    let gateway = setup(&[]).authorizer(&sources, |event| Action::allow(event, json!({}))).start().await;
    assert_eq!(gateway.handshake("/dev", &[("User-Agent", "test")]).await.status, 101);
}

#[tokio::test]
async fn empty_lists_of_identity_sources_always_call_the_authorizer() {
    let gateway = setup(&["$connect"]).authorizer(&[], |_| Action::error("Unauthorized")).start().await;
    assert_refused(&gateway.handshake("/dev", &[]).await, 401, "Unauthorized");
    assert_eq!(gateway.invocation().await.0, Function::Authorizer);
}

#[tokio::test]
async fn authorizer_denials_are_403() {
    let gateway = setup(&["$connect"]).authorizer(&[], Action::deny).start().await;
    assert_refused(&gateway.handshake("/dev", &[]).await, 403, "Forbidden");
    gateway.invocation().await;
    assert!(gateway.is_quiet().await, "$connect ran");
    assert!(gateway.sockets.is_empty());
}

#[tokio::test]
async fn authorizer_failures_are_500() {
    let failures: [fn(&Value) -> Action; 7] = [
        |_| Action::error("Unauthorised"),
        |_| Action::Fail(InvokeError::Timeout),
        |_| Action::Fail(InvokeError::Unavailable("down".to_owned())),
        |_| Action::Panic,
        |_| Action::Raw("not JSON"),
        |_| Action::Answer(json!({ "principalId": "ann" })),
        |event| Action::allow(event, json!({ "big": "x".repeat(8_192) })),
    ];
    for failure in failures {
        let gateway = setup(&["$connect"]).authorizer(&[], failure).start().await;
        assert_refused(&gateway.handshake("/dev", &[]).await, 500, "Internal server error");
    }
}

#[tokio::test]
async fn connect_replies_other_than_2xx_refuse_with_their_status() {
    for (status, reason) in [(302, "Found"), (401, "Unauthorized"), (418, "I'm a teapot"), (503, "Service Unavailable")]
    {
        let script = move |_: &Value| Action::Answer(json!({ "statusCode": status, "body": "secret" }));
        let gateway = setup(&["$connect", "$disconnect"]).handler(script).start().await;
        assert_refused(&gateway.handshake("/dev", &[]).await, status, reason);
        gateway.event().await;
        assert!(gateway.sockets.is_empty());
        assert!(gateway.is_quiet().await, "$disconnect ran for a socket that never opened");
    }
}

#[tokio::test]
async fn connect_failures_are_502() {
    let failures: [fn(&Value) -> Action; 7] = [
        |_| Action::error("Unauthorized"),
        |_| Action::Fail(InvokeError::Timeout),
        |_| Action::Fail(InvokeError::Unavailable("down".to_owned())),
        |_| Action::Panic,
        |_| Action::Raw("not JSON"),
        |_| Action::Answer(json!({ "body": "no status" })),
        |_| Action::status(101),
    ];
    for failure in failures {
        let gateway = setup(&["$connect"]).handler(failure).start().await;
        assert_refused(&gateway.handshake("/dev", &[]).await, 502, "Internal server error");
    }
}

#[tokio::test]
async fn connect_timeouts_are_502_after_29_seconds() {
    let never = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let script = move |_: &Value| Action::Wait(never.clone(), Box::new(Action::status(200)));
    let gateway = setup(&["$connect"]).handler(script).start().await;
    let (answer, _) = tokio::join!(gateway.handshake("/dev", &[]), async {
        gateway.event().await;
        gateway.clock.advance(std::time::Duration::from_secs(29));
    });
    assert_refused(&answer, 502, "Internal server error");
}

#[tokio::test]
async fn new_connections_above_the_rate_are_429() {
    let rate = Rate { per_second: 1, burst: 2 };
    let gateway = setup(&[]).limits(|limits| limits.connects = Some(rate)).start().await;
    for status in [101, 101, 429] {
        assert_eq!(gateway.handshake("/dev", &[]).await.status, status);
    }
    gateway.clock.advance(std::time::Duration::from_secs(1));
    for status in [101, 429] {
        assert_eq!(gateway.handshake("/dev", &[]).await.status, status);
    }
}

#[tokio::test]
async fn new_connections_follow_the_rate_of_an_account() {
    let gateway = setup(&[]).limits(|limits| limits.connects = Some(Limits::AWS_CONNECTS)).start().await;
    for _ in 0..500 {
        assert_eq!(gateway.handshake("/dev", &[]).await.status, 101);
    }
    assert_eq!(gateway.handshake("/dev", &[]).await.status, 429);
    gateway.clock.advance(std::time::Duration::from_millis(2));
    for status in [101, 429] {
        assert_eq!(gateway.handshake("/dev", &[]).await.status, status);
    }
}

#[tokio::test]
async fn paths_outside_the_stage_are_403() {
    let gateway = setup(&[]).start().await;
    for path in ["/", "/prod", "/devil", "/dev/chat"] {
        let answer = gateway.handshake(path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (403, "ForbiddenException"), "{path}");
        assert_eq!(answer.json(), json!({ "message": "Forbidden" }));
    }
}

#[tokio::test]
async fn plain_requests_for_a_socket_are_426() {
    let gateway = setup(&["$connect"]).start().await;
    for method in ["GET", "POST"] {
        let request = Request::builder().method(method).uri("/dev").header("Host", "localhost");
        let answer = gateway.request(request.body("".into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED);
        assert_eq!(answer.headers["upgrade"], "websocket");
    }
    assert!(gateway.is_quiet().await);
}

#[tokio::test]
async fn upgrades_with_another_version_or_without_one_key_are_refused() {
    let gateway = setup(&["$connect"]).start().await;
    for (change, values, status) in [
        ("sec-websocket-version", &["8"][..], 426),
        ("sec-websocket-key", &[], 400),
        ("sec-websocket-key", &[""], 400),
        ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="], 400),
    ] {
        assert_eq!(changed_upgrade(&gateway, change, values).await.status, status, "{values:?}");
    }
    assert!(gateway.is_quiet().await);
}

#[tokio::test]
async fn keys_need_not_be_decodable() {
    let gateway = setup(&["$connect"]).start().await;
    for (key, accept) in [
        ("8", "VBI6kWpH0e4oYCkiAQoHS41BlrQ="),
        ("not base64!", "qNFXnHRWK9gXMY88SCqWaExzK/Q="),
        ("dGhlIHNhbXBsZSBub25jZQ", "RZWuh2JK/hL0RMgTNJFfZIAppXg="),
    ] {
        let answer = changed_upgrade(&gateway, "sec-websocket-key", &[key]).await;
        assert_eq!(answer.status, 101, "{key}");
        assert_eq!(answer.headers["sec-websocket-accept"], accept, "{key}");
    }
}

/// Sends an upgrade request with these values of a header, and returns the answer.
async fn changed_upgrade(gateway: &Harness, name: &'static str, values: &[&str]) -> Answer {
    let (mut parts, ()) = gateway.upgrade("/dev", &[]).into_parts();
    parts.headers.remove(name);
    for value in values {
        parts.headers.append(name, value.parse().unwrap());
    }
    parts.uri = "/dev".parse().unwrap();
    gateway.request(Request::from_parts(parts, "".into())).await
}

#[tokio::test]
async fn urls_above_4096_characters_are_refused() {
    let gateway = setup(&["$connect"]).start().await;
    let longest = format!("/dev?q={}", "x".repeat(4_096 - "/dev?q=".len()));
    assert_eq!(gateway.handshake(&longest, &[]).await.status, 101);
    gateway.event().await;
    assert_eq!(gateway.handshake(&format!("{longest}x"), &[]).await.status, StatusCode::URI_TOO_LONG);
    assert!(gateway.is_quiet().await);
}

#[tokio::test]
async fn sockets_open_without_a_connect_route() {
    let gateway = setup(&["$default?"]).messages(Action::body).start().await;
    let request = gateway.upgrade("/dev", &[]);
    let (mut socket, _) = tokio_tungstenite::client_async(request, gateway.tcp().await).await.unwrap();
    futures_util::SinkExt::send(&mut socket, Message::text("hello")).await.unwrap();
    let echo = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
    assert_eq!(echo, Message::text("hello"));
}

#[tokio::test]
async fn subprotocols_are_accepted_only_if_connect_returns_them() {
    let script = |event: &Value| match event["queryStringParameters"]["choose"].as_str() {
        Some(choice) => Action::Answer(
            json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": choice, "X-Other": "no" } }),
        ),
        None => Action::status(200),
    };
    let gateway = setup(&["$connect"]).handler(script).start().await;
    let offer = [("Sec-WebSocket-Protocol", "chat, superchat")];
    let answer = gateway.handshake("/dev", &offer).await;
    assert_eq!(answer.status, 101);
    assert!(!answer.headers.contains_key("sec-websocket-protocol"));
    let answer = gateway.handshake("/dev?choose=superchat", &offer).await;
    assert_eq!(answer.headers["sec-websocket-protocol"], "superchat");
    assert!(!answer.headers.contains_key("x-other"));
}
