//! Clients that vanish without closing their connection.

#![cfg(target_os = "linux")]

use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::TcpStream;

use crate::harness::{Harness, setup};

/// The instruction `return 0` of a socket filter: no packet is accepted.
const DROP_EVERYTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);

/// Makes the system drop every packet for a client. The client no longer acknowledges anything, as if its machine had
/// lost its network.
fn vanish(client: &TcpStream) {
    SockRef::from(client).attach_filter(&[DROP_EVERYTHING]).expect("any user may filter a socket");
}

async fn start() -> Harness {
    let setup = setup(&["$connect", "$disconnect"]);
    setup.limits(|limits| limits.unresponsive = Duration::from_millis(500)).start().await
}

async fn assert_vanished(gateway: &Harness) {
    let context = gateway.event().await["requestContext"].clone();
    assert_eq!((&context["eventType"], &context["disconnectStatusCode"]), (&"DISCONNECT".into(), &1006.into()));
    assert!(gateway.sockets.is_empty());
}

#[tokio::test]
async fn clients_that_vanish_while_they_are_sent_to_are_disconnected_with_1006() {
    let gateway = start().await;
    let client = gateway.connect().await;
    vanish(client.socket.get_ref());
    let id = client.id.as_str();
    assert_eq!(gateway.management(http::Method::POST, id, "unread").await.status, 200);
    assert_vanished(&gateway).await;
    assert_eq!(gateway.management(http::Method::POST, id, "late").await.status, 410);
}

#[tokio::test]
async fn idle_clients_that_vanish_are_disconnected_with_1006() {
    let gateway = start().await;
    let client = gateway.connect().await;
    vanish(client.socket.get_ref());
    assert_vanished(&gateway).await;
    drop(client);
}

#[tokio::test]
async fn idle_clients_that_are_alive_stay_connected() {
    let gateway = start().await;
    let mut alive = gateway.connect().await;
    let gone = gateway.connect().await;
    vanish(gone.socket.get_ref());
    let context = gateway.event().await["requestContext"].clone();
    assert_eq!(context["connectionId"], gone.id.as_str());
    alive.ping().await;
    assert_eq!(gateway.sockets.len(), 1);
}
