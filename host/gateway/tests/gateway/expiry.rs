//! Idle and two-hour closes, with a manual clock.

use std::time::Duration;

use serde_json::json;
use tidegate_event::Payload;
use tidegate_ports::{Deadline, Messaging};

use crate::client::Client;
use crate::harness::{Harness, setup};
use crate::script::Action;

const MINUTE: Duration = Duration::from_secs(60);

async fn start(pings_reset_idle: bool) -> (Harness, Client) {
    let setup = setup(&["$connect", "$default?", "$disconnect"]).messages(Action::body);
    let gateway = setup.limits(|limits| limits.pings_reset_idle = pings_reset_idle).start().await;
    let client = gateway.connect().await;
    (gateway, client)
}

async fn assert_closed(gateway: &Harness, mut client: Client) {
    assert_eq!(client.close_code().await, 1001);
    client.wait_for_end().await;
    let event = gateway.event().await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], json!(1001));
}

#[tokio::test]
async fn idle_connections_close_with_1001_after_ten_minutes() {
    let (gateway, mut client) = start(false).await;
    gateway.clock.advance(10 * MINUTE - Duration::from_millis(1));
    client.ping().await;
    gateway.clock.advance(Duration::from_millis(1));
    assert_closed(&gateway, client).await;
}

#[tokio::test]
async fn messages_in_either_direction_reset_the_idle_time() {
    let (gateway, mut client) = start(false).await;
    gateway.clock.advance(9 * MINUTE);
    client.send("still here").await;
    assert_eq!(client.text().await, "still here");
    gateway.event().await;
    gateway.clock.advance(9 * MINUTE);
    let deadline = Deadline::after(MINUTE);
    gateway.sockets.send(&client.id, &Payload::Text("you too?".into()), deadline).await.unwrap();
    assert_eq!(client.text().await, "you too?");
    gateway.clock.advance(9 * MINUTE);
    client.ping().await;
    gateway.clock.advance(MINUTE);
    assert_closed(&gateway, client).await;
}

#[tokio::test]
async fn pings_reset_the_idle_time_only_if_configured() {
    let (gateway, mut client) = start(false).await;
    gateway.clock.advance(9 * MINUTE);
    client.ping().await;
    gateway.clock.advance(MINUTE);
    assert_closed(&gateway, client).await;

    let (gateway, mut client) = start(true).await;
    gateway.clock.advance(9 * MINUTE);
    client.ping().await;
    gateway.clock.advance(9 * MINUTE);
    client.ping().await;
    gateway.clock.advance(10 * MINUTE);
    assert_closed(&gateway, client).await;
}

#[tokio::test]
async fn busy_connections_close_with_1001_after_two_hours() {
    let (gateway, mut client) = start(false).await;
    for _ in 0..15 {
        gateway.clock.advance(8 * MINUTE - Duration::from_millis(1));
        client.send("busy").await;
        assert_eq!(client.text().await, "busy");
        gateway.event().await;
    }
    // The gateway scans its connections at most once a second.
    gateway.clock.advance(Duration::from_millis(1_015));
    assert_closed(&gateway, client).await;
}
