//! The headers `Host` and `Origin`, of sockets and of calls to @connections.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;
use tidegate_local_access::{Hosts, Origins};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::Answer;
use crate::harness::{Harness, Setup, setup, soon};
use crate::log::Log;
use crate::signing::signed;

const LOOPBACK_PAGE: &str = "http://localhost:5173";
const FOREIGN_PAGE: &str = "https://evil.example";
const FOREIGN_HOST: &str = "evil.example:3000";

fn assert_forbidden(answer: &Answer, case: &str) {
    assert_eq!((answer.status.as_u16(), answer.error()), (403, "ForbiddenException"), "{case}");
    assert_eq!(answer.json(), json!({ "message": "Forbidden" }), "{case}");
}

/// Sends an upgrade request with this `Host` and these other headers.
async fn shake_hands(gateway: &Harness, host: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = gateway.upgrade("/dev", headers).map(|()| Bytes::new());
    *request.uri_mut() = "/dev".parse().unwrap();
    request.headers_mut().insert("Host", host.parse().unwrap());
    gateway.request(request).await
}

/// Sends a correctly signed call with this `Host` and these other headers.
async fn call(gateway: &Harness, method: Method, id: &str, host: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = gateway.unsigned(method, id, "text");
    request.headers_mut().insert("Host", host.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    gateway.request(signed(request)).await
}

/// Sends a request that a client cannot build, and returns the status.
pub(crate) async fn status_of(gateway: &Harness, request: &str) -> u16 {
    let mut stream = gateway.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    soon(stream.read_exact(&mut line)).await.unwrap();
    std::str::from_utf8(&line).unwrap().strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
}

#[tokio::test]
async fn rebound_names_reach_nothing() {
    let gateway = setup(&["$connect"]).start().await;
    let client = gateway.connect().await;
    for host in [FOREIGN_HOST, "0.0.0.0:3000", "localhost.", "127.1", "null"] {
        assert_forbidden(&shake_hands(&gateway, host, &[]).await, host);
        // The page of a rebound name has the origin of that name.
        let origin = format!("http://{host}");
        assert_forbidden(&shake_hands(&gateway, host, &[("Origin", &origin)]).await, host);
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_forbidden(&call(&gateway, method, client.id.as_str(), host, &[]).await, host);
        }
        let page = Request::get("/").header("Host", host).body(Bytes::new()).unwrap();
        assert_forbidden(&gateway.request(page).await, host);
    }
    assert!(gateway.is_quiet().await, "no function was invoked");
}

#[tokio::test]
async fn repeated_refusals_do_not_fill_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = setup(&["$connect"]).start().await;
    for number in 0..60 {
        let host = format!("evil-{number}.example");
        assert_forbidden(&shake_hands(&gateway, &host, &[]).await, &host);
    }
    let text = log.text();
    let count = text.lines().filter(|line| line.contains("host-not-allowed")).count();
    assert_eq!(count, 20, "{text}");
    assert!(text.contains("evil-0.example"), "{text}");
}

#[tokio::test]
async fn requests_without_a_host_or_with_two_are_refused() {
    let gateway = setup(&["$connect"]).start().await;
    let mut request = gateway.upgrade("/dev", &[("Host", "localhost")]).map(|()| Bytes::new());
    *request.uri_mut() = "/dev".parse().unwrap();
    assert_eq!(gateway.request(request).await.status, 400, "two");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (head, status) in [
        ("GET /dev HTTP/1.1\r\n", 400),
        ("GET /dev HTTP/1.1\r\nHost:\r\n", 400),
        ("GET /dev HTTP/1.1\r\nHost: user@localhost\r\n", 400),
        ("GET /dev HTTP/1.1\r\nHost: [::1%25lo]\r\n", 400),
        ("GET /dev HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("GET /dev HTTP/1.1\r\nHost: localhost\r\nhOST: evil.example\r\n", 400),
        ("GET http://evil.example/dev HTTP/1.1\r\nHost: localhost\r\n", 403),
        ("GET http://localhost/dev HTTP/1.1\r\nHost: evil.example\r\n", 403),
        ("GET http://localhost/dev HTTP/1.1\r\nHost: localhost\r\n", 101),
        ("GET /dev HTTP/1.1\r\nHost: LOCALHOST:1\r\n", 101),
        ("GET /dev HTTP/1.1\r\nHost: [::1]\r\n", 101),
    ] {
        let answer = status_of(&gateway, &format!("{head}{upgrade}")).await;
        assert_eq!(answer, status, "{head}");
    }
}

#[tokio::test]
async fn sockets_accept_programs_and_loopback_pages() {
    let gateway = setup(&["$connect"]).start().await;
    for host in ["localhost:3000", "chat.localhost", "127.0.0.1:3000", "127.1.2.3", "[::1]:3000"] {
        assert_eq!(shake_hands(&gateway, host, &[]).await.status, 101, "{host}");
    }
    let host = gateway.host();
    for origin in [LOOPBACK_PAGE, "https://app.localhost", "http://127.0.0.1:8080", "http://[::1]:5173"] {
        assert_eq!(shake_hands(&gateway, &host, &[("Origin", origin)]).await.status, 101, "{origin}");
    }
    for origin in
        [FOREIGN_PAGE, "null", "", "file://", "http://localhost.evil.example", "http://localhost@evil.example"]
    {
        assert_forbidden(&shake_hands(&gateway, &host, &[("Origin", origin)]).await, origin);
    }
    let twice = [("Origin", LOOPBACK_PAGE), ("Origin", LOOPBACK_PAGE)];
    assert_forbidden(&shake_hands(&gateway, &host, &twice).await, "two origins");
}

#[tokio::test]
async fn pages_cannot_call_connections() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let id = client.id.as_str().to_owned();
    let host = gateway.host();
    for origin in [LOOPBACK_PAGE, FOREIGN_PAGE, "null"] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            assert_forbidden(&call(&gateway, method, &id, &host, &[("Origin", origin)]).await, origin);
        }
        let token = Request::get("/dev/token").header("Host", &host).header("Origin", origin);
        assert_forbidden(&gateway.request(token.body(Bytes::new()).unwrap()).await, origin);
    }
    assert_eq!(call(&gateway, Method::POST, &id, &host, &[]).await.status, 200);
    assert_eq!(client.text().await, "text");
}

#[tokio::test]
async fn added_names_and_origins_are_accepted() {
    let with_added = |setup: Setup| {
        setup.access(|access| {
            access.hosts = Hosts::new(vec!["tide.example.com".parse().unwrap()]);
            access.origins = Origins::new(vec!["https://tide.example.com".parse().unwrap()]);
        })
    };
    let gateway = with_added(setup(&["$connect"])).start().await;
    let client = gateway.connect().await;
    let page = [("Origin", "https://tide.example.com")];
    assert_eq!(shake_hands(&gateway, "tide.example.com", &page).await.status, 101);
    assert_eq!(shake_hands(&gateway, "localhost", &page).await.status, 101);
    assert_eq!(call(&gateway, Method::GET, client.id.as_str(), "tide.example.com", &page).await.status, 200);
    assert_forbidden(&shake_hands(&gateway, "example.com", &page).await, "another name");
    assert_forbidden(&shake_hands(&gateway, "localhost", &[("Origin", "http://tide.example.com")]).await, "http");
}

#[tokio::test]
async fn events_have_an_accepted_domain_name() {
    let gateway = setup(&["$connect"]).start().await;
    let client = gateway.connect_to("/dev", &[("Origin", LOOPBACK_PAGE)]).await;
    assert_eq!(client.connect["requestContext"]["domainName"], gateway.host());
    // The page's origin reaches the function, as on API Gateway.
    let headers = client.connect["headers"].as_object().unwrap();
    let origin = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Origin"));
    assert_eq!(origin.unwrap().1, LOOPBACK_PAGE);
}
