//! The events that functions receive.

use std::collections::HashSet;

use serde_json::{Value, json};
use tidegate_app::IdentitySource;
use tidegate_event::{Event, decode_request};
use tidegate_gateway::Function;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::harness::{STARTED, setup, soon};
use crate::script::Action;

#[tokio::test]
async fn connect_events_have_the_headers_as_the_client_sent_them() {
    let gateway = setup(&["$connect"]).start().await;
    let mut stream = gateway.tcp().await;
    let request = "GET /dev?b=1&a=x%20y&a=z HTTP/1.1\r\nHOST: chat.localhost:8080\r\nuPGRADE: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: tester/1\r\nX-TRACE: one\r\nX-TRACE: two\r\n\
        X-Forwarded-For: 203.0.113.7\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let event = gateway.event().await;
    let headers = &event["headers"];
    assert_eq!(headers["HOST"], "chat.localhost:8080");
    assert_eq!(headers["User-Agent"], "tester/1");
    assert_eq!(headers["X-Forwarded-For"], "203.0.113.7, 127.0.0.1");
    assert_eq!((&headers["X-Forwarded-Port"], &headers["X-Forwarded-Proto"]), (&json!("8080"), &json!("http")));
    assert!(headers["X-Amzn-Trace-Id"].as_str().unwrap().starts_with("Root=1-6553f100-"), "{headers}");
    assert_eq!(event["multiValueHeaders"]["X-TRACE"], json!(["one", "two"]));
    for absent in ["uPGRADE", "upgrade", "Connection", "connection"] {
        assert!(headers.get(absent).is_none(), "{absent}");
    }
    assert_eq!(event["queryStringParameters"], json!({ "a": "z", "b": "1" }));
    assert_eq!(event["multiValueQueryStringParameters"]["a"], json!(["x y", "z"]));
    let context = &event["requestContext"];
    assert_eq!(context["domainName"], "chat.localhost:8080");
    assert_eq!(context["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "tester/1" }));
    let mut first = [0; 12];
    soon(stream.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101");
}

#[tokio::test]
async fn message_events_have_the_context_of_their_connection_and_api() {
    let gateway =
        setup(&["$connect", "$default"]).api(|api| api.domain_name = Some("ws.example.com".into())).start().await;
    let mut client = gateway.connect().await;
    client.send("hello").await;
    let event = gateway.event().await;
    let context = &event["requestContext"];
    assert_eq!(event["body"], "hello");
    assert!(event.get("headers").is_none());
    assert_eq!(context["eventType"], "MESSAGE");
    assert_eq!(context["messageDirection"], "IN");
    assert_eq!(context["stage"], "dev");
    assert_eq!(context["apiId"], "a1b2c3");
    assert_eq!(context["domainName"], "ws.example.com");
    assert_eq!(context["connectionId"], client.id.as_str());
    assert!(context["messageId"].as_str().is_some_and(|id| id.len() == 16 && id.ends_with('=')));
    assert!(context.get("authorizer").is_none());
    let decoded = decode_request(event.to_string().as_bytes()).expect("the codec of the host decodes the event");
    assert!(matches!(decoded.event, Event::Message(_)));
}

#[tokio::test]
async fn authorizer_events_have_the_method_arn_and_later_events_the_authorizer_context() {
    let allow = |event: &Value| Action::allow(event, json!({ "tier": "gold", "level": 7, "admin": true }));
    let setup = setup(&["$connect", "$default", "$disconnect"])
        .authorizer(&[IdentitySource::QueryString("token".to_owned())], allow);
    let gateway = setup.api(|api| api.stage_variables = vec![("v".into(), "1".into())]).start().await;
    let request = gateway.upgrade("/dev?token=t", &[]);
    let (socket, _) = soon(tokio_tungstenite::client_async(request, gateway.tcp().await)).await.unwrap();
    let (function, event) = gateway.invocation().await;
    assert_eq!(function, Function::Authorizer);
    assert_eq!(event["type"], "REQUEST");
    assert_eq!(event["methodArn"], "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/dev/$connect");
    assert_eq!(event["queryStringParameters"], json!({ "token": "t" }));
    assert_eq!(event["stageVariables"], json!({ "v": "1" }));
    assert_eq!(event["requestContext"]["eventType"], "CONNECT");
    assert!(event["requestContext"].get("authorizer").is_none());
    let mut client = crate::client::Client {
        socket,
        id: tidegate_event::ConnectionId::new("x").unwrap(),
        connect: gateway.event().await,
    };
    client.send("hello").await;
    let message = gateway.event().await;
    client.socket.close(None).await.unwrap();
    let disconnect = gateway.event().await;
    for event in [&client.connect, &message, &disconnect] {
        let authorizer = &event["requestContext"]["authorizer"];
        assert_eq!(authorizer["principalId"], "ann");
        assert_eq!(
            (&authorizer["tier"], &authorizer["level"], &authorizer["admin"]),
            (&json!("gold"), &json!("7"), &json!("true"))
        );
        assert_eq!(authorizer["integrationLatency"], 0);
    }
}

#[tokio::test]
async fn connected_at_is_fixed_and_request_times_advance() {
    let gateway = setup(&["$connect", "$default", "$disconnect"]).start().await;
    let mut client = gateway.connect().await;
    gateway.clock.advance(std::time::Duration::from_secs(5));
    client.send("one").await;
    let message = gateway.event().await;
    gateway.clock.advance(std::time::Duration::from_secs(5));
    client.socket.close(None).await.unwrap();
    let disconnect = gateway.event().await;
    for (event, seconds) in [(&client.connect, 0), (&message, 5), (&disconnect, 10)] {
        let context = &event["requestContext"];
        assert_eq!(context["connectedAt"], STARTED.millis());
        assert_eq!(context["requestTimeEpoch"], STARTED.millis() + seconds * 1_000);
    }
    assert_eq!(message["requestContext"]["requestTime"], "14/Nov/2023:22:13:25 +0000");
}

#[tokio::test]
async fn ids_are_unique_base64() {
    let gateway = setup(&["$connect", "$default"]).start().await;
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        assert!(ids.insert(client.id.as_str().to_owned()));
        assert!(client.id.as_str().len() == 16 && client.id.as_str().ends_with('='), "{}", client.id);
        assert!(ids.insert(client.connect["requestContext"]["requestId"].as_str().unwrap().to_owned()));
        for _ in 0..3 {
            client.send("x").await;
            let context = gateway.event().await["requestContext"].clone();
            assert!(ids.insert(context["requestId"].as_str().unwrap().to_owned()));
            assert!(ids.insert(context["messageId"].as_str().unwrap().to_owned()));
            assert!(context["extendedRequestId"].is_string());
        }
    }
}

#[tokio::test]
async fn disconnect_events_have_the_code_and_reason_of_the_client() {
    let gateway = setup(&["$connect", "$disconnect"]).start().await;
    for (frame, code, reason) in [
        (None, 1005, "Client-side close frame status not set"),
        (Some((1000, "")), 1000, ""),
        (Some((1001, "Going away")), 1001, "Going away"),
        (Some((4321, "because")), 4321, "because"),
    ] {
        let mut client = gateway.connect().await;
        let frame = frame.map(|(code, reason): (u16, &str)| CloseFrame { code: code.into(), reason: reason.into() });
        client.socket.close(frame).await.unwrap();
        let event = gateway.event().await;
        let context = &event["requestContext"];
        assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(code), &json!(reason)));
        assert_eq!(context["eventType"], "DISCONNECT");
        assert_eq!(context["routeKey"], "$disconnect");
        assert_eq!(context["connectionId"], client.id.as_str());
        let names: HashSet<&str> = event["headers"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, HashSet::from(["Host", "x-api-key", "X-Forwarded-For", "x-restapi"]));
    }
}
