//! The ends of connections: their close codes and `$disconnect` events.

use std::sync::Arc;

use futures_util::SinkExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::harness::{Harness, setup, soon};
use crate::script::Action;

/// Asserts that the next event is a `$disconnect`, and that no second one follows.
async fn assert_disconnected(gateway: &Harness, code: u16, reason: &str) {
    let event = gateway.event().await;
    let context = &event["requestContext"];
    assert_eq!(context["eventType"], "DISCONNECT");
    assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(code), &json!(reason)));
    soon(async {
        while !gateway.sockets.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A second `$disconnect` would have run before another client has connected and received a pong.
    let mut other = gateway.connect().await;
    assert_eq!(other.connect["requestContext"]["eventType"], "CONNECT");
    other.ping().await;
    assert!(gateway.is_quiet().await);
}

fn part(text: &str, opcode: Data, is_final: bool) -> Message {
    Message::Frame(Frame::message(Bytes::from(text.to_owned()), OpCode::Data(opcode), is_final))
}

async fn start() -> Harness {
    setup(&["$connect", "$default?", "$disconnect"])
        .messages(|body| Action::body(&body.len().to_string()))
        .start()
        .await
}

#[tokio::test]
async fn binary_frames_close_with_1003() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.close_code().await, 1003);
    assert_disconnected(&gateway, 1003, "Binary data is not accepted").await;
}

#[tokio::test]
async fn replies_before_the_frame_that_closes_the_socket_arrive() {
    let binary = || Message::binary(vec![1]);
    for (last, code) in [(binary(), 1003), (Message::Close(None), 1005)] {
        let gateway = start().await;
        let mut client = gateway.connect().await;
        // The gateway reads all frames in one batch.
        for body in ["1", "22", "333"] {
            client.socket.feed(Message::text(body)).await.unwrap();
        }
        client.socket.feed(last).await.unwrap();
        client.socket.flush().await.unwrap();
        for length in ["1", "2", "3"] {
            assert_eq!(client.text().await, length);
            gateway.event().await;
        }
        let frame = client.close_frame().await;
        assert_eq!(frame.map_or(1005, |frame| frame.code.into()), code);
        let event = gateway.event().await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], json!(code));
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    let frame = Frame::message(Bytes::from_static(&[0xff, 0xfe]), OpCode::Data(Data::Text), true);
    client.socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(client.close_code().await, 1007);
    assert_disconnected(&gateway, 1007, "Text is not valid UTF-8").await;
}

#[tokio::test]
async fn frames_above_32_kib_close_with_1009() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    client.send(&"x".repeat(32 << 10)).await;
    assert_eq!(client.text().await, "32768");
    gateway.event().await;
    client.send(&"x".repeat((32 << 10) + 1)).await;
    assert_eq!(client.close_code().await, 1009);
    assert_disconnected(&gateway, 1009, "Message too large").await;
}

#[tokio::test]
async fn messages_of_128_kib_are_accepted_and_larger_ones_close_with_1009() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    let quarter = "x".repeat(32 << 10);
    for (opcode, is_final) in
        [(Data::Text, false), (Data::Continue, false), (Data::Continue, false), (Data::Continue, true)]
    {
        client.socket.send(part(&quarter, opcode, is_final)).await.unwrap();
    }
    assert_eq!(client.text().await, "131072");
    gateway.event().await;
    for opcode in [Data::Text, Data::Continue, Data::Continue, Data::Continue] {
        client.socket.send(part(&quarter, opcode, false)).await.unwrap();
    }
    client.socket.send(part("x", Data::Continue, true)).await.unwrap();
    assert_eq!(client.close_code().await, 1009);
    assert_disconnected(&gateway, 1009, "Message too large").await;
}

#[tokio::test]
async fn unmasked_frames_close_with_1002() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    // Not masked, as only a server's frames may be.
    client.socket.get_mut().write_all(&[0x81, 0x01, b'x']).await.unwrap();
    assert_eq!(client.close_code().await, 1002);
    assert_disconnected(&gateway, 1002, "Protocol error").await;
}

#[tokio::test]
async fn clients_that_are_still_sending_receive_the_close_frame() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    // What the gateway leaves unread must not reset the socket before the client has read the close frame.
    let message = Message::text("x".repeat(1 << 20));
    client.socket.send(message).await.unwrap();
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn clients_that_vanish_are_disconnected_with_1006() {
    let gateway = start().await;
    drop(gateway.connect().await);
    assert_disconnected(&gateway, 1006, "Connection closed abnormally").await;
}

#[tokio::test]
async fn clients_that_vanish_during_connect_are_disconnected_after_connect_accepts_them() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let script = move |event: &Value| match event["requestContext"]["eventType"].as_str() {
        Some("CONNECT") => Action::Wait(held.clone(), Box::new(Action::status(200))),
        _ => Action::status(200),
    };
    let gateway = setup(&["$connect", "$disconnect"]).handler(script).start().await;
    let mut stream = gateway.tcp().await;
    let request = "GET /dev HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    gateway.event().await;
    drop(stream);
    // One permit is for the client that comes after.
    gate.add_permits(2);
    assert_disconnected(&gateway, 1006, "Connection closed abnormally").await;
}

#[tokio::test]
async fn delete_closes_the_socket_and_runs_disconnect() {
    let gateway = start().await;
    let mut client = gateway.connect().await;
    assert_eq!(gateway.management(Method::DELETE, client.id.as_str(), "").await.status, StatusCode::NO_CONTENT);
    let frame = client.close_frame().await.unwrap();
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1000, "Connection Closed Normally"));
    client.wait_for_end().await;
    assert_disconnected(&gateway, 1000, "Connection Closed Normally").await;
}

#[tokio::test]
async fn disconnect_failures_are_ignored() {
    let script = |event: &Value| match event["requestContext"]["eventType"].as_str() {
        Some("DISCONNECT") => Action::Panic,
        _ => Action::status(200),
    };
    let gateway = setup(&["$connect", "$disconnect"]).handler(script).start().await;
    let mut client = gateway.connect().await;
    client.socket.close(None).await.unwrap();
    client.wait_for_end().await;
    gateway.event().await;
    assert!(gateway.sockets.is_empty());
    gateway.connect().await.ping().await;
}

#[tokio::test]
async fn disconnect_is_not_invoked_without_a_route() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = gateway.connect().await;
    client.socket.close(None).await.unwrap();
    client.wait_for_end().await;
    gateway.connect().await;
    assert!(gateway.is_quiet().await);
}

#[tokio::test]
async fn messages_under_way_finish_after_their_client_has_left() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let script = move |_: &str| Action::Wait(held.clone(), Box::new(Action::body("late")));
    let gateway = setup(&["$connect", "$default?", "$disconnect"]).messages(script).start().await;
    let mut client = gateway.connect().await;
    client.send("wait").await;
    gateway.event().await;
    client.socket.close(None).await.unwrap();
    assert_disconnected(&gateway, 1005, "Client-side close frame status not set").await;
    // The message takes the permit only if it was not dropped with the connection.
    gate.add_permits(1);
    soon(async {
        while gate.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
