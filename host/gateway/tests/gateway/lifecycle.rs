//! Shutdowns, and the limits of sockets and descriptors.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::harness::{setup, soon};
use crate::script::Action;

#[tokio::test]
async fn shutdowns_close_every_socket_with_1001_and_run_every_disconnect() {
    let mut gateway = setup(&["$connect", "$disconnect"]).start().await;
    let mut clients = [gateway.connect().await, gateway.connect().await, gateway.connect().await];
    gateway.stop();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1001);
    }
    let [one, two, three] = clients;
    tokio::join!(one.wait_for_end(), two.wait_for_end(), three.wait_for_end());
    gateway.stopped().await;
    for _ in 0..3 {
        assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(1001));
    }
    assert!(gateway.is_quiet().await);
    assert!(gateway.sockets.is_empty());
    assert!(TcpStream::connect(("127.0.0.1", gateway.port)).await.is_err(), "the port still listens");
}

#[tokio::test]
async fn shutdowns_wait_for_messages_under_way_and_disconnects() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let setup = setup(&["$connect", "$default", "$disconnect"]).handler(move |event| {
        let connecting = event["requestContext"]["eventType"] == "CONNECT";
        if connecting { Action::status(200) } else { Action::Wait(held.clone(), Box::new(Action::status(200))) }
    });
    let mut gateway = setup.start().await;
    let mut client = gateway.connect().await;
    client.send("under way").await;
    gateway.event().await;
    gateway.stop();
    assert_eq!(client.close_code().await, 1001);
    client.wait_for_end().await;
    assert_eq!(gateway.event().await["requestContext"]["eventType"], "DISCONNECT");
    gate.add_permits(2);
    gateway.stopped().await;
    assert_eq!(gate.available_permits(), 0, "a function was dropped before it was done");
}

#[tokio::test]
async fn back_ends_learn_that_the_client_of_a_message_or_a_handshake_has_left() {
    let seen = Arc::new(Semaphore::new(0));
    let told = seen.clone();
    let setup = setup(&["$connect", "$default", "$disconnect"]).handler(move |event| {
        let waits = event["body"] == "wait" || event["headers"]["X-Wait"] == "yes";
        if waits { Action::UntilDeparture(told.clone()) } else { Action::status(200) }
    });
    let gateway = setup.start().await;
    for closes in [true, false] {
        let mut client = gateway.connect().await;
        client.send("wait").await;
        gateway.event().await;
        if closes {
            client.socket.close(None).await.unwrap();
        } else {
            drop(client);
        }
        soon(seen.acquire()).await.unwrap().forget();
        assert_eq!(gateway.event().await["requestContext"]["eventType"], "DISCONNECT");
    }
    let mut stream = gateway.tcp().await;
    let request = "GET /dev HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Wait: yes\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(gateway.event().await["requestContext"]["eventType"], "CONNECT");
    drop(stream);
    soon(seen.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn handshakes_under_way_at_a_shutdown_open_and_close() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let setup = setup(&["$connect", "$disconnect"]).handler(move |event| {
        let connecting = event["requestContext"]["eventType"] == "CONNECT";
        if connecting { Action::Wait(held.clone(), Box::new(Action::status(200))) } else { Action::status(200) }
    });
    let mut gateway = setup.start().await;
    let (mut client, ()) = tokio::join!(gateway.connect(), async {
        while gateway.sockets.is_empty() {
            tokio::task::yield_now().await;
        }
        gateway.stop();
        gate.add_permits(1);
    });
    assert_eq!(client.close_code().await, 1001);
    client.wait_for_end().await;
    gateway.stopped().await;
    assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(1001));
}

#[tokio::test]
async fn shutdowns_are_bounded_and_leave_no_task() {
    let never = Arc::new(Semaphore::new(0));
    let script = move |_: &str| Action::Wait(never.clone(), Box::new(Action::status(200)));
    let setup = setup(&["$connect", "$default", "$disconnect"]).messages(script);
    let mut gateway = setup.limits(|limits| limits.drain = Duration::from_millis(50)).start().await;
    let mut client = gateway.connect().await;
    client.send("never done").await;
    gateway.event().await;
    gateway.stop();
    gateway.stopped().await;
    assert!(gateway.sockets.is_empty());
    assert_eq!(Arc::strong_count(&gateway.gateway), 1, "a task of the gateway is left");
}

#[tokio::test]
async fn silent_http_connections_do_not_delay_a_shutdown() {
    let mut gateway = setup(&[]).limits(|limits| limits.drain = Duration::from_secs(3_600)).start().await;
    let mut silent = gateway.tcp().await;
    // The gateway has accepted the silent connection before it answers this one.
    gateway.handshake("/nowhere", &[]).await;
    gateway.stop();
    gateway.stopped().await;
    assert_eq!(soon(silent.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn sockets_above_the_limit_are_refused_until_one_closes() {
    let gateway = setup(&["$connect", "$disconnect"]).limits(|limits| limits.sockets = 1).start().await;
    let mut client = gateway.connect().await;
    let mut refused = gateway.tcp().await;
    assert_eq!(soon(refused.read(&mut [0])).await.unwrap_or(0), 0);
    client.ping().await;
    client.socket.close(None).await.unwrap();
    client.wait_for_end().await;
    assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(1005));
    gateway.connect().await.ping().await;
}

/// Lowers the limit of descriptors in a separate process, because the limit cannot be raised again.
#[test]
fn new_connections_are_refused_and_open_ones_kept_without_descriptors() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact lifecycle::out_of_descriptors --ignored"])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "run by the test above, with few descriptors"]
async fn out_of_descriptors() {
    let gateway = setup(&["$connect"]).start().await;
    let mut open = gateway.connect().await;
    let mut hogs = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hogs.push(file);
        assert!(hogs.len() < 64, "the limit of descriptors is not in force");
    }
    for _ in 0..3 {
        // One descriptor is left, and this client takes it.
        hogs.pop();
        let mut refused = gateway.tcp().await;
        assert_eq!(soon(refused.read(&mut [0])).await.unwrap_or(0), 0, "the socket was not refused");
        open.ping().await;
        drop(refused);
        hogs.push(File::open("/dev/null").unwrap());
    }
    hogs.clear();
    gateway.connect().await.ping().await;
}
