//! Clients that do not read, or that send more messages than are handled at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Method;
use serde_json::json;
use tidegate_event::Payload;
use tidegate_ports::messaging::Error;
use tidegate_ports::{Deadline, Messaging};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::harness::{Harness, setup, soon};
use crate::raw::{self, RawClient};
use crate::script::Action;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Returns a message of about 64 KiB that starts with its number.
fn numbered(number: usize) -> Payload {
    Payload::Text(format!("{number:<65000}"))
}

/// Sends to a client that does not read, until its outbox is full. Returns the number of accepted messages.
async fn fill(gateway: &Harness, client: &Client) -> usize {
    // Far more than all the buffers of the system on the way to the client.
    for number in 0..4_096 {
        match gateway.sockets.send(&client.id, &numbered(number), deadline()).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => {
                assert_eq!(error, Error::Throttled);
                return number;
            }
        }
    }
    panic!("256 MiB were accepted for a client that does not read");
}

#[tokio::test]
async fn slow_clients_throttle_their_senders_and_lose_no_accepted_message() {
    let gateway = setup(&["$connect", "$default"]).start().await;
    let mut slow = gateway.connect().await;
    let mut other = gateway.connect().await;
    let accepted = fill(&gateway, &slow).await;
    assert_eq!(
        gateway.sockets.send_many(std::slice::from_ref(&slow.id), &numbered(0), deadline()).await,
        [Err(Error::Throttled)]
    );
    let answer = gateway.management(Method::POST, slow.id.as_str(), "x".repeat(65_536)).await;
    assert_eq!((answer.status.as_u16(), answer.error()), (429, "LimitExceededException"));
    // Others are not affected, not even in the same call.
    let both = [slow.id.clone(), other.id.clone()];
    assert_eq!(gateway.sockets.send_many(&both, &numbered(7), deadline()).await, [Err(Error::Throttled), Ok(())]);
    assert_eq!(other.text().await.trim(), "7");
    for number in 0..accepted {
        assert_eq!(slow.text().await.trim(), number.to_string());
    }
    slow.ping().await;
    assert_eq!(gateway.sockets.send(&slow.id, &numbered(8), deadline()).await, Ok(()));
    assert_eq!(slow.text().await.trim(), "8");
}

#[tokio::test]
async fn waiting_messages_are_bounded_by_number() {
    let gateway = setup(&["$connect"]).limits(|limits| limits.queued_messages = 10).start().await;
    let mut client = gateway.connect().await;
    // None of these calls lets the connection's task run.
    let results = gateway.sockets.send_many(&vec![client.id.clone(); 12], &Payload::Text("x".into()), deadline()).await;
    let (accepted, refused) = results.split_at(10);
    assert!(accepted.iter().all(Result::is_ok));
    assert_eq!(refused, [Err(Error::Throttled), Err(Error::Throttled)]);
    for _ in 0..10 {
        assert_eq!(client.text().await, "x");
    }
}

#[tokio::test]
async fn slow_clients_can_be_closed() {
    let setup = setup(&["$connect", "$disconnect"]).limits(|limits| limits.close_handshake = Duration::from_millis(20));
    let gateway = setup.start().await;
    let slow = gateway.connect().await;
    fill(&gateway, &slow).await;
    gateway.sockets.close(&slow.id, deadline()).await.unwrap();
    assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(1000));
    assert!(gateway.sockets.is_empty());
}

#[tokio::test]
async fn slow_clients_become_idle() {
    let setup = setup(&["$connect", "$disconnect"]).limits(|limits| limits.close_handshake = Duration::from_millis(20));
    let gateway = setup.start().await;
    let slow = gateway.connect().await;
    fill(&gateway, &slow).await;
    gateway.clock.advance(Duration::from_secs(600));
    assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(1001));
}

#[tokio::test]
async fn slow_clients_that_break_a_rule_receive_accepted_messages_before_the_close_frame() {
    let setup = setup(&["$connect"]).limits(|limits| limits.close_handshake = Duration::from_secs(60));
    let gateway = setup.start().await;
    let mut slow = gateway.connect().await;
    let accepted = fill(&gateway, &slow).await;
    slow.socket.send(Message::binary(vec![1])).await.unwrap();
    // The gateway has seen the frame before the client reads on.
    soon(async {
        while !gateway.sockets.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for number in 0..accepted {
        assert_eq!(slow.text().await.trim(), number.to_string());
    }
    assert_eq!(slow.close_code().await, 1003);
}

#[tokio::test]
async fn clients_that_do_not_read_replies_are_paused_and_lose_none() {
    let setup = setup(&["$connect", "$default?"]).messages(|body| Action::body(&format!("{body:<32768}")));
    let gateway = setup.limits(|limits| limits.queued_bytes = 64 << 10).start().await;
    let client = gateway.connect().await;
    let (mut sink, mut stream) = client.socket.split();
    const COUNT: usize = 2_000;
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            sink.send(Message::text(number.to_string())).await.expect("the socket stays open");
        }
    });
    // Replies of 64 MiB: the gateway must stop reading long before it has handled all of them.
    let mut handled = 0;
    let mut turns = 0;
    while turns < 10_000 {
        tokio::task::yield_now().await;
        turns += 1;
        while !gateway.is_quiet().await {
            gateway.event().await;
            handled += 1;
            turns = 0;
        }
    }
    assert!((1..COUNT).contains(&handled), "{handled} messages were handled for a client that reads nothing");
    for number in 0..COUNT {
        let reply = soon(stream.next()).await.unwrap().unwrap();
        assert_eq!(reply.to_text().unwrap().trim(), number.to_string());
    }
    soon(sending).await.unwrap();
}

#[tokio::test]
async fn messages_above_the_concurrency_limit_wait() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let script = move |body: &str| Action::Wait(held.clone(), Box::new(Action::body(body)));
    let setup = setup(&["$connect", "$default?"]).messages(script);
    let gateway = setup.limits(|limits| limits.concurrent_messages = 2).start().await;
    let mut client = gateway.connect().await;
    let mut other = gateway.connect().await;
    for body in ["1", "2", "3"] {
        client.socket.feed(Message::text(body)).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    gateway.event().await;
    gateway.event().await;
    // The gateway has had time to read the third message by the pong of another client.
    other.ping().await;
    assert!(gateway.is_quiet().await, "a third message was handled");
    gate.add_permits(3);
    let mut replies = [client.text().await, client.text().await, client.text().await];
    replies.sort();
    assert_eq!(replies, ["1", "2", "3"]);
}

#[tokio::test]
async fn paused_clients_can_ping_and_leave() {
    let never = Arc::new(Semaphore::new(0));
    let script = move |_: &str| Action::Wait(never.clone(), Box::new(Action::status(200)));
    let setup = setup(&["$connect", "$default", "$disconnect"]).messages(script);
    let gateway = setup.limits(|limits| limits.concurrent_messages = 2).start().await;
    for (vanishes, code) in [(false, 1005), (true, 1006)] {
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            client.send("never done").await;
            gateway.event().await;
        }
        client.ping().await;
        if vanishes {
            drop(client);
        } else {
            client.socket.close(None).await.unwrap();
        }
        assert_eq!(gateway.event().await["requestContext"]["disconnectStatusCode"], json!(code));
    }
}

/// More pings than the system keeps pongs on the way between the sockets.
const PINGS: usize = 160_000;

/// Sends numbered pings and reads nothing.
async fn ping_without_reading(client: &mut RawClient) {
    let ping = |number: usize| raw::frame(raw::PING, format!("{number:<125}").as_bytes());
    for first in (0..PINGS).step_by(1_000) {
        client.send(&(first..first + 1_000).flat_map(ping).collect::<Vec<_>>()).await;
    }
}

#[tokio::test]
async fn pongs_for_a_client_that_does_not_read_are_bounded() {
    let gateway = setup(&["$connect"]).start().await;
    let mut client = RawClient::connect(&gateway).await;
    ping_without_reading(&mut client).await;
    let last_pong = [&[raw::PONG, 125][..], format!("{:<125}", PINGS - 1).as_bytes()].concat();
    let received = client.read_until(&last_pong).await;
    assert!(received < PINGS * last_pong.len() * 3 / 4, "{received} bytes of pongs were kept for the client");
}

#[tokio::test]
async fn messages_and_the_close_frame_wait_behind_pongs() {
    let setup = setup(&["$connect", "$disconnect"]).limits(|limits| limits.close_handshake = Duration::from_secs(60));
    let gateway = setup.start().await;
    let mut client = RawClient::connect(&gateway).await;
    let id = gateway.sockets.ids().remove(0);
    ping_without_reading(&mut client).await;
    let large = Payload::Text("x".repeat(100_000));
    assert_eq!(gateway.sockets.send(&id, &large, deadline()).await, Ok(()));
    gateway.sockets.close(&id, deadline()).await.unwrap();
    let frames = client.frames_until_close().await;
    let (close, rest) = frames.split_last().unwrap();
    assert_eq!((close.0, &close.1[..2]), (raw::CLOSE, &1000_u16.to_be_bytes()[..]));
    let text = rest.iter().filter(|(first, _)| *first != raw::PONG).flat_map(|(_, data)| data.clone());
    assert_eq!(text.collect::<Vec<u8>>(), vec![b'x'; 100_000]);
}

#[tokio::test]
async fn send_many_reaches_every_connection() {
    let gateway = setup(&["$connect"]).start().await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(gateway.connect().await);
    }
    let ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
    for number in 0..5 {
        let results = gateway.sockets.send_many(&ids, &numbered(number), deadline()).await;
        assert!(results.iter().all(Result::is_ok));
    }
    for client in &mut clients {
        for number in 0..5 {
            assert_eq!(client.text().await.trim(), number.to_string());
        }
    }
}
