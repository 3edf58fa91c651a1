//! Request heads as RFC 9112 allows and forbids them.

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::status_of;
use crate::harness::{Harness, setup, soon};
use crate::script::Action;

/// The lines of an upgrade request after its request line and its `Host`.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends an upgrade request, and returns the events of the authorizer and of `$connect`.
async fn shake_hands(gateway: &Harness, request: &str) -> [Value; 2] {
    assert_eq!(status_of(gateway, request).await, 101, "{request:?}");
    [gateway.invocation().await.1, gateway.invocation().await.1]
}

/// Writes a request and reads the head of its response.
async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    soon(stream.read_exact(&mut body)).await.unwrap();
    head
}

#[tokio::test]
async fn functions_see_the_headers_that_the_upgrade_was_decided_on() {
    let allow = |event: &Value| Action::allow(event, json!({}));
    let gateway = setup(&["$connect"]).authorizer(&[], allow).start().await;
    let request = format!("GET /dev HTTP/1.1\r\nHost: localhost\r\nX-Secret: one\r\n{UPGRADE}x-secret: two\r\n\r\n");
    for request in [
        request.clone(),
        format!("\r\n{request}"),
        format!("\r\n\r\n{request}"),
        format!("\n\n{request}"),
        request.replace("\r\n", "\n"),
        request.replace("X-Secret: one", "X-Secret:   one \t"),
    ] {
        for event in shake_hands(&gateway, &request).await {
            let headers = &event["headers"];
            assert_eq!((&headers["X-Secret"], &headers["x-secret"]), (&json!("one"), &json!("two")), "{request:?}");
            assert_eq!((&headers["Host"], headers.get("Upgrade")), (&json!("localhost"), None), "{request:?}");
        }
    }
}

#[tokio::test]
async fn requests_that_servers_must_refuse_are_400() {
    let gateway = setup(&["$connect"]).start().await;
    for lines in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: local host\r\n",
        "Host: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Host: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
        "Host: localhost\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        "Host: localhost\r\nContent-Length: +3\r\n",
        "Host: localhost\r\nTransfer-Encoding: gzip\r\n",
        "Host: localhost\r\nX-Folded: a\r\n b\r\n",
        " X-Early: a\r\nHost: localhost\r\n",
        "Host: localhost\r\nX-Space : a\r\n",
        "Host: localhost\r\nX-Bare: a\rb\r\n",
        "Host: localhost\r\nno colon\r\n",
        "Host: localhost\r\nX-Null: a\0b\r\n",
    ] {
        for request in ["GET /dev", "POST /dev/@connections/abc", "GET /other"] {
            let request = format!("{request} HTTP/1.1\r\n{lines}{UPGRADE}\r\n");
            assert_eq!(status_of(&gateway, &request).await, 400, "{request:?}");
        }
    }
    assert!(gateway.is_quiet().await, "no function was invoked");
}

#[tokio::test]
async fn the_hop_of_the_gateway_is_its_own() {
    let gateway = setup(&["$connect"]).start().await;
    for (host, port) in [("localhost", "80"), ("[::1]", "80"), ("[::1]:3000", "3000"), ("127.0.0.1:8080", "8080")] {
        let forged = "X-Forwarded-For: 203.0.113.1\r\nx-forwarded-for: 203.0.113.2, 203.0.113.3\r\n\
            X-Forwarded-Proto: https\r\nX-FORWARDED-PORT: 443\r\nX-Amzn-Trace-Id: Root=1-forged\r\n";
        let request = format!("GET /dev HTTP/1.1\r\nHost: {host}\r\n{forged}{UPGRADE}X-Forwarded-For:\r\n\r\n");
        assert_eq!(status_of(&gateway, &request).await, 101, "{host}");
        let event = gateway.event().await;
        let headers = event["headers"].as_object().unwrap();
        let named = |name: &str| -> Vec<(&str, &str)> {
            let found = headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
        };
        let hops = "203.0.113.1, 203.0.113.2, 203.0.113.3, 127.0.0.1";
        assert_eq!(named("x-forwarded-for"), [("X-Forwarded-For", hops)]);
        assert_eq!(named("x-forwarded-proto"), [("X-Forwarded-Proto", "http")]);
        assert_eq!(named("x-forwarded-port"), [("X-Forwarded-Port", port)], "{host}");
        let [("X-Amzn-Trace-Id", trace)] = named("x-amzn-trace-id")[..] else { panic!("{headers:?}") };
        assert!(trace.starts_with("Root=1-6553f100-"), "{trace}");
        assert_eq!(event["multiValueHeaders"]["X-Forwarded-For"], json!([hops]));
        assert_eq!(event["requestContext"]["identity"]["sourceIp"], "127.0.0.1");
        assert_eq!(event["requestContext"]["domainName"], host);
    }
}

#[tokio::test]
async fn every_request_of_a_connection_has_its_own_headers() {
    let gateway = setup(&["$connect"]).start().await;
    let mut stream = gateway.tcp().await;
    for (method, body) in [(Method::POST, "GET /dev HTTP/1.1\r\nHost: localhost\r\n\r\n"), (Method::GET, "")] {
        let length = body.len();
        let request = format!(
            "{method} /dev/@connections/abc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let head = exchange(&mut stream, &request).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    }
    let request = format!("GET /dev HTTP/1.1\r\nhOSt: localhost\r\n{UPGRADE}X-CaSe: kept\r\n\r\n");
    assert!(exchange(&mut stream, &request).await.starts_with("HTTP/1.1 101 "));
    let event = gateway.event().await;
    assert_eq!((&event["headers"]["hOSt"], &event["headers"]["X-CaSe"]), (&json!("localhost"), &json!("kept")));
}

#[tokio::test]
async fn chunked_and_malformed_requests_are_the_last_of_their_connection() {
    let gateway = setup(&["$connect"]).start().await;
    let chunked =
        "POST /dev/@connections/abc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (request, status) in [(chunked, 403), ("GET /dev HTTP/1.1\r\n\r\n", 400)] {
        let mut stream = gateway.tcp().await;
        let head = exchange(&mut stream, request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("connection: close"), "{head}");
        assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap(), 0, "the connection is closed");
    }
}

#[tokio::test]
async fn clients_that_send_on_after_a_refused_head_are_reset() {
    let gateway = setup(&["$connect"]).limits(|limits| limits.close_handshake = std::time::Duration::MAX).start().await;
    let mut stream = gateway.tcp().await;
    let junk = vec![b'a'; 64 << 10];
    // The kernel's buffers hold several MiB at most.
    let mut sent = 0;
    while sent < 256 << 20 {
        match soon(stream.write(&junk)).await {
            Ok(length) => sent += length,
            Err(_) => return,
        }
    }
    panic!("the gateway read {sent} bytes of a head");
}
