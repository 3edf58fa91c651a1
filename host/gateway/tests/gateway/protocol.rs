//! RFC 6455: close codes of protocol violations, and closes that do not reset the connection.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Harness, setup, soon};
use crate::raw::{BINARY, CLOSE, PING, RawClient, TEXT, close, frame};
use crate::script::Action;

/// Bytes behind the frame that ends a connection: more than the gateway reads at a time, so that some stay unread.
const TRAILING_BYTES: usize = 64 << 10;

async fn start() -> Harness {
    setup(&["$connect", "$default?", "$disconnect"]).messages(Action::body).start().await
}

/// Takes the next event, which is a `$disconnect`, and returns its code.
async fn disconnect_code(gateway: &Harness) -> Value {
    let context = gateway.event().await["requestContext"].clone();
    assert_eq!(context["eventType"], "DISCONNECT");
    context["disconnectStatusCode"].clone()
}

/// Sends `bytes` and asserts the code of the close frame and of the `$disconnect` event.
async fn assert_closes(gateway: &Harness, name: &str, bytes: &[u8], code: u16) {
    let mut client = RawClient::connect(gateway).await;
    client.send(bytes).await;
    assert_eq!(client.close_code().await, code, "{name}");
    assert_eq!(disconnect_code(gateway).await, json!(code), "{name}");
}

/// The header of a masked frame with a length of 64 bits, and no payload.
fn long_header(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn protocol_violations_close_with_1002() {
    let gateway = start().await;
    let fragment = frame(0x01, b"half");
    for (name, bytes) in [
        ("first reserved bit", frame(0xc1, b"x")),
        ("second reserved bit", frame(0xa1, b"x")),
        ("third reserved bit", frame(0x91, b"x")),
        ("reserved data opcode", frame(0x83, b"x")),
        ("reserved control opcode", frame(0x8b, b"x")),
        ("unmasked frame", vec![TEXT, 1, b'x']),
        ("fragmented ping", frame(0x09, b"x")),
        ("fragmented close", frame(0x08, b"")),
        ("continuation without a start", frame(0x80, b"x")),
        ("text inside a fragmented message", [fragment.clone(), frame(TEXT, b"x")].concat()),
        ("binary inside a fragmented message", [fragment, frame(BINARY, b"x")].concat()),
        ("length with the first of 64 bits set", long_header(TEXT, u64::MAX)),
    ] {
        assert_closes(&gateway, name, &bytes, 1002).await;
    }
}

#[tokio::test]
async fn control_frames_above_125_bytes_close_with_1002() {
    let gateway = start().await;
    for length in [126, 32 << 10, (32 << 10) + 1, 65_536] {
        for opcode in [CLOSE, PING, 0x8a] {
            let name = format!("control frame {opcode:x} of {length} bytes");
            assert_closes(&gateway, &name, &frame(opcode, &vec![0; length]), 1002).await;
        }
    }
    // The header is enough: the gateway does not wait for a payload that it refuses.
    assert_closes(&gateway, "header of a ping of 1 GiB", &long_header(PING, 1 << 30), 1002).await;
    let behind_others = [frame(TEXT, &[b'x'; 5_000]), frame(PING, b""), frame(PING, &vec![0; 40_000])].concat();
    let mut client = RawClient::connect(&gateway).await;
    client.send(&behind_others).await;
    assert_eq!(gateway.event().await["requestContext"]["eventType"], "MESSAGE");
    assert_eq!(disconnect_code(&gateway).await, json!(1002));
}

#[tokio::test]
async fn data_frames_above_the_limit_close_with_1009() {
    let gateway = start().await;
    for opcode in [TEXT, BINARY, 0x01] {
        assert_closes(&gateway, "frame above 32 KiB", &frame(opcode, &vec![b'x'; (32 << 10) + 1]), 1009).await;
        assert_closes(&gateway, "header of 1 GiB", &long_header(opcode, 1 << 30), 1009).await;
    }
    let fragments = [frame(0x01, &[b'x'; 32 << 10]), frame(0x00, &[b'x'; 32 << 10]).repeat(4)].concat();
    assert_closes(&gateway, "message above 128 KiB", &fragments, 1009).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() {
    let gateway = start().await;
    for (name, bytes) in [
        ("invalid bytes", frame(TEXT, b"\xff\xfe")),
        ("unfinished character", frame(TEXT, b"\xc3")),
        ("invalid bytes in a fragment", frame(0x01, b"\xff")),
        ("unfinished character at the end of the fragments", [frame(0x01, b"x"), frame(0x80, b"\xc3")].concat()),
    ] {
        assert_closes(&gateway, name, &bytes, 1007).await;
    }
    // A character may be split between fragments.
    let mut client = RawClient::connect(&gateway).await;
    client.send(&[frame(0x01, b"\xc3"), frame(0x80, b"\xa9"), close(1000, b"")].concat()).await;
    assert_eq!(gateway.event().await["body"], "é");
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(disconnect_code(&gateway).await, json!(1000));
}

#[tokio::test]
async fn invalid_close_payloads_close_with_1002_and_an_invalid_reason_with_1007() {
    let gateway = start().await;
    assert_closes(&gateway, "payload of one byte", &frame(CLOSE, &[3]), 1002).await;
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        assert_closes(&gateway, &format!("code {code}"), &close(code, b"reason"), 1002).await;
    }
    assert_closes(&gateway, "reason that is not UTF-8", &close(1000, b"\xff"), 1007).await;
    for code in [1000, 1001, 1011, 3000, 4999] {
        assert_closes(&gateway, &format!("code {code}"), &close(code, b"reason"), code).await;
    }
}

#[tokio::test]
async fn bytes_behind_the_frame_that_ends_a_connection_do_not_reset_it() {
    let gateway = start().await;
    let trailing = frame(TEXT, b"not handled").repeat(TRAILING_BYTES / 17);
    for (name, last, code) in [
        ("close", close(1000, b"bye"), 1000),
        ("close without a code", frame(CLOSE, b""), 1005),
        ("binary", frame(BINARY, b"x"), 1003),
        ("protocol violation", frame(0x83, b"x"), 1002),
        ("invalid UTF-8", frame(TEXT, b"\xff"), 1007),
        ("large frame", long_header(TEXT, 1 << 30), 1009),
        ("large control frame", long_header(PING, 1 << 30), 1002),
    ] {
        assert_closes(&gateway, name, &[last, trailing.clone()].concat(), code).await;
    }
    assert!(gateway.is_quiet().await, "a message behind the last frame was handled");
}

#[tokio::test]
async fn bytes_behind_the_answer_to_the_gateways_close_do_not_reset_the_connection() {
    let answer = [close(1000, b""), vec![0; TRAILING_BYTES]].concat();
    let gateway = start().await;
    let mut client = RawClient::connect(&gateway).await;
    let id = gateway.sockets.ids().remove(0);
    gateway.management(Method::DELETE, id.as_str(), "").await;
    client.send(&answer).await;
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(disconnect_code(&gateway).await, json!(1000));
    // The idle close, the close after two hours, and the close of a shutdown.
    let minute = Duration::from_secs(60);
    for (idle, lifetime) in [(minute, minute * 10), (minute * 10, minute)] {
        let setup = setup(&["$connect", "$disconnect"]).limits(|limits| {
            limits.idle = idle;
            limits.lifetime = lifetime;
        });
        let gateway = setup.start().await;
        let mut client = RawClient::connect(&gateway).await;
        gateway.clock.advance(minute);
        client.send(&answer).await;
        assert_eq!(client.close_code().await, 1001);
    }
    let mut gateway = start().await;
    let mut client = RawClient::connect(&gateway).await;
    gateway.stop();
    client.send(&answer).await;
    assert_eq!(client.close_code().await, 1001);
    drop(client);
    gateway.stopped().await;
}

#[tokio::test]
async fn clients_that_keep_their_half_open_are_dropped_after_the_close_timeout() {
    let setup = setup(&["$connect"]).limits(|limits| limits.close_handshake = Duration::from_millis(20));
    let mut gateway = setup.start().await;
    let mut client = RawClient::connect(&gateway).await;
    client.send(&close(1000, b"")).await;
    assert_eq!(client.close_code().await, 1000);
    gateway.stop();
    gateway.stopped().await;
    drop(client);
}

#[tokio::test]
async fn bytes_behind_a_refused_http_head_do_not_reset_the_connection() {
    let gateway = start().await;
    for (head, status) in [("GET /dev HTTP/1.1\r\nX: ", "431"), ("no HTTP\r\n\r\n", "400")] {
        let mut stream = gateway.tcp().await;
        stream.write_all(&[head.as_bytes(), &[b'x'; TRAILING_BYTES]].concat()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.expect("the gateway closes the socket without a reset");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}
