//! The @connections endpoint.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::json;
use tidegate_event::{ConnectionId, Payload};
use tidegate_gateway::{Limits, Rate};
use tidegate_local_access::Keys;
use tidegate_ports::messaging::Error;
use tidegate_ports::{Deadline, Messaging};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Harness, setup, soon};
use crate::script::Action;
use crate::signing::{credentials, signed, signed_with};

const UNKNOWN: &str = "L0SM9cOFvHcCIhw=";

#[tokio::test]
async fn post_sends_text_or_bytes() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let id = client.id.as_str().to_owned();
    assert_eq!(gateway.management(Method::POST, &id, "héllo").await.status, StatusCode::OK);
    assert_eq!(client.text().await, "héllo");
    assert_eq!(gateway.management(Method::POST, &id, vec![0xff, 0x00]).await.status, StatusCode::OK);
    assert_eq!(client.frame().await.unwrap().unwrap(), Message::binary(vec![0xff, 0x00]));
    assert_eq!(gateway.management(Method::POST, &id, "").await.status, StatusCode::OK);
    assert_eq!(client.text().await, "");
}

#[tokio::test]
async fn get_describes_a_connection_in_lower_camel_case() {
    let gateway = setup(&["$connect", "$default"]).messages(|_| Action::status(200)).start().await;
    let mut client = gateway.connect_to("/dev", &[("User-Agent", "tester/1")]).await;
    gateway.clock.advance(Duration::from_millis(2_500));
    client.send("active").await;
    gateway.event().await;
    gateway.clock.advance(Duration::from_secs(60));
    let answer = gateway.management(Method::GET, client.id.as_str(), "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({
            "connectedAt": "2023-11-14T22:13:20.000Z",
            "identity": { "sourceIp": "127.0.0.1", "userAgent": "tester/1" },
            "lastActiveAt": "2023-11-14T22:13:22.500Z",
        })
    );
}

#[tokio::test]
async fn delete_is_204_and_later_calls_are_410() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let id = client.id.as_str().to_owned();
    assert_eq!(gateway.management(Method::DELETE, &id, "").await.status, StatusCode::NO_CONTENT);
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = gateway.management(method, &id, "").await;
        assert_eq!((answer.status.as_u16(), answer.error()), (410, "GoneException"));
    }
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test]
async fn unknown_connections_are_410() {
    let gateway = setup(&[]).start().await;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = gateway.management(method, UNKNOWN, "x").await;
        assert_eq!((answer.status.as_u16(), answer.error()), (410, "GoneException"));
        assert!(answer.json()["message"].is_string());
    }
}

#[tokio::test]
async fn malformed_ids_are_400() {
    let gateway = setup(&[]).start().await;
    for id in ["x", "not-a-connection-id", "L0SM9cOFvHcCIhw", "%FF=", &"A".repeat(100)] {
        let answer = gateway.management(Method::GET, id, "").await;
        assert_eq!((answer.status.as_u16(), answer.error()), (400, "BadRequestException"), "{id}");
    }
}

#[tokio::test]
async fn unsigned_requests_and_other_stages_are_403() {
    let gateway = setup(&[]).start().await;
    let unsigned = || gateway.unsigned(Method::GET, UNKNOWN, "");
    let mut bearer = unsigned();
    bearer.headers_mut().insert("Authorization", "Bearer token".parse().unwrap());
    let mut other_stage = unsigned();
    *other_stage.uri_mut() = format!("/prod/@connections/{UNKNOWN}").parse().unwrap();
    let put = signed(gateway.unsigned(Method::PUT, UNKNOWN, ""));
    for request in [unsigned(), bearer, signed(other_stage), put] {
        let answer = gateway.request(request).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (403, "ForbiddenException"));
    }
    let unsigned = gateway.request(gateway.unsigned(Method::POST, UNKNOWN, "x")).await;
    assert_eq!(unsigned.json(), json!({ "message": "Missing Authentication Token" }));
}

#[tokio::test]
async fn signatures_of_others_are_403_and_do_nothing() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let id = client.id.as_str().to_owned();
    let post = || gateway.unsigned(Method::POST, &id, "forged");
    let now = SystemTime::now();
    let own = credentials("secret");
    let other = aws_credential_types::Credentials::new("AKIDOTHER", "secret", None, None, "test");
    let mut another_body = signed(post());
    *another_body.body_mut() = Bytes::from_static(b"other");
    let mut another_connection = signed(gateway.unsigned(Method::POST, UNKNOWN, "forged"));
    *another_connection.uri_mut() = post().uri().clone();
    let mut another_method = signed(post());
    *another_method.method_mut() = Method::DELETE;
    let cases = [
        (signed_with(post(), &credentials("guess"), now), "InvalidSignatureException"),
        (signed_with(post(), &own, now - Duration::from_secs(600)), "InvalidSignatureException"),
        (signed_with(post(), &own, now + Duration::from_secs(600)), "InvalidSignatureException"),
        (signed_with(post(), &other, now), "UnrecognizedClientException"),
        (another_body, "InvalidSignatureException"),
        (another_connection, "InvalidSignatureException"),
        (another_method, "InvalidSignatureException"),
    ];
    for (request, name) in cases {
        let answer = gateway.request(request).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (403, name));
    }
    // The first message that the client receives is this one, and its socket is open.
    assert_eq!(gateway.management(Method::POST, &id, "signed").await.status, StatusCode::OK);
    assert_eq!(client.text().await, "signed");
}

#[tokio::test]
async fn a_gateway_without_keys_accepts_no_call() {
    let gateway = setup(&["$connect"]).access(|access| access.keys = Keys::default()).start().await;
    let client = gateway.connect().await;
    let answer = gateway.management(Method::GET, client.id.as_str(), "").await;
    assert_eq!((answer.status.as_u16(), answer.error()), (403, "UnrecognizedClientException"));
}

#[tokio::test]
async fn bodies_above_128_kib_are_413() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let id = client.id.as_str().to_owned();
    for size in [131_073, 2_000_000] {
        let answer = gateway.management(Method::POST, &id, "x".repeat(size)).await;
        assert_eq!((answer.status.as_u16(), answer.error()), (413, "PayloadTooLargeException"));
    }
    assert_eq!(gateway.management(Method::POST, &id, "x".repeat(131_072)).await.status, StatusCode::OK);
    assert_eq!(client.text().await.len(), 131_072);
}

/// Writes a POST with an incomplete or malformed body, and returns the bytes that the gateway sends until it closes.
async fn incomplete_post(gateway: &Harness, rest: &str) -> String {
    let mut stream = gateway.tcp().await;
    let request = signed(gateway.unsigned(Method::POST, UNKNOWN, ""));
    let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    let (host, date, authorization) = (header("host"), header("x-amz-date"), header("authorization"));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {host}\r\nX-Amz-Date: {date}\r\nAuthorization: {authorization}\r\n{rest}",
        request.uri()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn late_bodies_are_408_and_close_their_socket() {
    let gateway = setup(&[]).limits(|limits| limits.header_read = Duration::from_millis(50)).start().await;
    for rest in ["Content-Length: 5\r\n\r\n", "Content-Length: 5\r\n\r\nhal", "Transfer-Encoding: chunked\r\n\r\n"] {
        let answer = incomplete_post(&gateway, rest).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("RequestTimeoutException"), "{answer}");
    }
}

#[tokio::test]
async fn late_bodies_do_not_delay_a_shutdown() {
    let hour = Duration::from_secs(3_600);
    let setup = setup(&[]).limits(|limits| {
        limits.header_read = hour;
        limits.drain = hour;
        limits.close_handshake = Duration::from_millis(20);
    });
    let mut gateway = setup.start().await;
    let stopping = async {
        // The gateway has read the head of the POST before it answers this request.
        gateway.handshake("/nowhere", &[]).await;
        gateway.stop();
    };
    let (answer, ()) = tokio::join!(incomplete_post(&gateway, "Content-Length: 5\r\n\r\n"), stopping);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    gateway.stopped().await;
}

#[tokio::test]
async fn malformed_bodies_are_400() {
    let gateway = setup(&[]).start().await;
    let answer = incomplete_post(&gateway, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("BadRequestException"), "{answer}");
}

#[tokio::test]
async fn calls_above_the_rate_are_429() {
    let rate = Rate { per_second: 1, burst: 2 };
    let gateway = setup(&["$connect"]).limits(|limits| limits.requests = Some(rate)).start().await;
    let client = gateway.connect().await;
    for status in [200, 200] {
        assert_eq!(gateway.management(Method::GET, client.id.as_str(), "").await.status, status);
    }
    let answer = gateway.management(Method::POST, client.id.as_str(), "x").await;
    assert_eq!((answer.status.as_u16(), answer.error()), (429, "LimitExceededException"));
}

#[tokio::test]
async fn in_process_calls_count_for_the_rate_of_an_account() {
    let gateway = setup(&[]).limits(|limits| limits.requests = Some(Limits::AWS_REQUESTS)).start().await;
    let unknown = vec![ConnectionId::new(UNKNOWN).unwrap(); 1_000];
    let admitted = async || {
        let deadline = Deadline::after(Duration::from_secs(60));
        let results = gateway.sockets.send_many(&unknown, &Payload::Text("x".to_owned()), deadline).await;
        results.iter().filter(|result| **result == Err(Error::Gone)).count()
    };
    for _ in 0..5 {
        assert_eq!(admitted().await, 1_000);
    }
    assert_eq!(admitted().await, 0);
    assert_eq!(gateway.management(Method::GET, UNKNOWN, "").await.status, StatusCode::TOO_MANY_REQUESTS);
    gateway.clock.advance(Duration::from_millis(50));
    assert_eq!(admitted().await, 500);
    // A pause refills the bucket up to the burst.
    gateway.clock.advance(Duration::from_secs(60));
    for expected in [1_000, 1_000, 1_000, 1_000, 1_000, 0] {
        assert_eq!(admitted().await, expected);
    }
}

#[tokio::test]
async fn http_connections_serve_many_calls() {
    use http_body_util::{BodyExt, Full};
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    let io = hyper_util::rt::TokioIo::new(gateway.tcp().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    for number in 0..20 {
        let uri = format!("/dev/%40connections/{}", client.id.as_str().replace('=', "%3D"));
        let request = Request::post(uri).header("Host", gateway.host()).body(Bytes::from(number.to_string()));
        let answer = sender.send_request(signed(request.unwrap()).map(Full::new)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap();
        assert_eq!(client.text().await, number.to_string());
    }
    drop(sender);
    driver.await.unwrap().unwrap();
}
