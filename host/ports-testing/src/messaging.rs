//! The suite of [`Messaging`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{ConnectionId, MAX_PAYLOAD_BYTES, Payload};

use tidegate_ports::Deadline;
use tidegate_ports::messaging::{Error, Messaging};

/// The deadline of calls. It is later than any case needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// An implementation under test, which can also open client connections.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Returns the implementation.
    fn messaging(&self) -> &dyn Messaging;

    /// Opens a connection.
    async fn connect(&self) -> Box<dyn Client>;

    /// Starts a connection, and returns while its `$connect` is running.
    async fn begin(&self) -> Box<dyn Beginning>;

    /// Returns the id of a connection that never existed, in the backend's format.
    fn unknown(&self) -> ConnectionId;
}

/// The client side of an open connection.
#[async_trait]
pub trait Client: Send {
    /// Returns the connection id.
    fn id(&self) -> ConnectionId;

    /// Receives the next message. Returns `None` if the connection is closed.
    async fn receive(&mut self) -> Option<Payload>;

    /// Closes the connection, and returns when the backend has noticed.
    async fn leave(self: Box<Self>);
}

/// A connection whose `$connect` is running.
#[async_trait]
pub trait Beginning: Send {
    /// Returns the connection id.
    fn id(&self) -> ConnectionId;

    /// Lets `$connect` respond with 200, and returns when the client's socket is open.
    async fn accept(self: Box<Self>) -> Box<dyn Client>;

    /// Lets `$connect` respond with 403, and returns when the client has received the response.
    async fn refuse(self: Box<Self>);
}

/// Runs the whole suite.
///
/// # Panics
/// Panics if the implementation does not meet the contract of the port.
pub async fn run(backend: &dyn Backend) {
    text_and_bytes_keep_their_type(backend).await;
    messages_arrive_in_order(backend).await;
    unknown_connections_are_gone(backend).await;
    closed_connections_are_gone(backend).await;
    messages_above_the_limit_are_too_large(backend).await;
    nothing_is_attempted_after_the_deadline(backend).await;
    send_many_returns_the_order_of_the_targets(backend).await;
    open_connections_are_described(backend).await;
    close_ends_the_connection_once(backend).await;
    deferred_messages_wait_for_the_socket(backend).await;
    deferred_messages_wait_for_queue_space(backend).await;
    deferred_messages_of_rejected_connections_are_dropped(backend).await;
}

/// Text arrives as text, and bytes that are not UTF-8 arrive as bytes.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn text_and_bytes_keep_their_type(backend: &dyn Backend) {
    let mut client = backend.connect().await;
    for data in [text("{\"a\":\"é\"}"), Payload::Binary(vec![0xff, 0x00, 0xfe])] {
        assert_eq!(backend.messaging().send(&client.id(), &data, soon()).await, Ok(()));
        assert_eq!(client.receive().await, Some(data));
    }
    client.leave().await;
}

/// Messages of consecutive calls arrive in the order of the calls, for `send` and `send_many`.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn messages_arrive_in_order(backend: &dyn Backend) {
    let mut client = backend.connect().await;
    let ids = [client.id()];
    for number in (0..50).step_by(2) {
        assert_eq!(backend.messaging().send(&client.id(), &numbered(number), soon()).await, Ok(()));
        assert_eq!(backend.messaging().send_many(&ids, &numbered(number + 1), soon()).await, [Ok(())]);
    }
    for number in 0..50 {
        assert_eq!(client.receive().await, Some(numbered(number)));
    }
    client.leave().await;
}

/// Every call returns [`Error::Gone`] for a connection that never existed.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn unknown_connections_are_gone(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let id = backend.unknown();
    assert_gone(messaging, &id).await;
    assert_eq!(messaging.send_many(std::slice::from_ref(&id), &text("x"), soon()).await, [Err(Error::Gone)]);
    assert_eq!(messaging.deliver_deferred(&id, &[text("x")], soon()).await, 0);
}

/// A connection is gone after its client closes it.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn closed_connections_are_gone(backend: &dyn Backend) {
    let client = backend.connect().await;
    let id = client.id();
    client.leave().await;
    assert_gone(backend.messaging(), &id).await;
}

/// A message of exactly the limit arrives. A message with one more byte is rejected, and the connection stays open.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn messages_above_the_limit_are_too_large(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let mut client = backend.connect().await;
    let largest = text(&"x".repeat(MAX_PAYLOAD_BYTES));
    let larger = text(&"x".repeat(MAX_PAYLOAD_BYTES + 1));
    assert_eq!(messaging.send(&client.id(), &larger, soon()).await, Err(Error::TooLarge));
    assert_eq!(messaging.send_many(&[client.id()], &larger, soon()).await, [Err(Error::TooLarge)]);
    assert_eq!(messaging.send(&client.id(), &largest, soon()).await, Ok(()));
    assert_eq!(client.receive().await, Some(largest));
    client.leave().await;
}

/// A call after its deadline sends nothing and returns [`Error::NotAttempted`].
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn nothing_is_attempted_after_the_deadline(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let mut client = backend.connect().await;
    let past = Deadline::after(Duration::ZERO);
    assert_eq!(messaging.send(&client.id(), &text("late"), past).await, Err(Error::NotAttempted));
    let results = messaging.send_many(&[client.id(), client.id()], &text("late"), past).await;
    assert_eq!(results, [Err(Error::NotAttempted), Err(Error::NotAttempted)]);
    assert_eq!(messaging.close(&client.id(), past).await, Err(Error::NotAttempted));
    assert_eq!(messaging.send(&client.id(), &text("in time"), soon()).await, Ok(()));
    assert_eq!(client.receive().await, Some(text("in time")));
    client.leave().await;
}

/// A call with many targets returns a result for each target in order, and reaches the open connections.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn send_many_returns_the_order_of_the_targets(backend: &dyn Backend) {
    let mut first = backend.connect().await;
    let mut last = backend.connect().await;
    let ids = [first.id(), backend.unknown(), last.id()];
    let results = backend.messaging().send_many(&ids, &text("all"), soon()).await;
    assert_eq!(results, [Ok(()), Err(Error::Gone), Ok(())]);
    assert_eq!(first.receive().await, Some(text("all")));
    assert_eq!(last.receive().await, Some(text("all")));
    assert!(backend.messaging().send_many(&[], &text("none"), soon()).await.is_empty());
    first.leave().await;
    last.leave().await;
}

/// The description of an open connection has its time and its address.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn open_connections_are_described(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let client = backend.connect().await;
    let socket = messaging.describe(&client.id(), soon()).await;
    assert!(
        socket.as_ref().is_ok_and(|socket| socket.connected_at.millis() > 0
            && socket.last_active_at >= socket.connected_at
            && !socket.source_ip.is_empty()),
        "{socket:?}"
    );
    let again = messaging.describe(&client.id(), soon()).await;
    assert_eq!(again.map(|again| again.connected_at), socket.map(|socket| socket.connected_at));
    client.leave().await;
}

/// Closing delivers the messages that were sent before, and ends the connection. A second call returns [`Error::Gone`].
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn close_ends_the_connection_once(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let mut client = backend.connect().await;
    let id = client.id();
    assert_eq!(messaging.send(&id, &text("last"), soon()).await, Ok(()));
    assert_eq!(messaging.close(&id, soon()).await, Ok(()));
    assert_gone(messaging, &id).await;
    assert_eq!(client.receive().await, Some(text("last")));
    assert_eq!(client.receive().await, None);
}

/// A connecting client is gone for other calls. It receives its deferred messages in order when its socket is open.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn deferred_messages_wait_for_the_socket(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let beginning = backend.begin().await;
    let id = beginning.id();
    assert_gone(messaging, &id).await;
    let messages = [numbered(0), numbered(1), numbered(2)];
    let (delivered, mut client) = both(messaging.deliver_deferred(&id, &messages, soon()), beginning.accept()).await;
    assert_eq!(delivered, messages.len());
    for message in messages {
        assert_eq!(client.receive().await, Some(message));
    }
    client.leave().await;
}

/// A client that reads its messages receives more deferred messages than a backend's queue holds.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn deferred_messages_wait_for_queue_space(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let beginning = backend.begin().await;
    let id = beginning.id();
    // The messages total 3 MiB, more than the 1 MiB of the gateway's outbox.
    let large = |number: usize| text(&format!("{number:04}{}", "x".repeat(MAX_PAYLOAD_BYTES - 4)));
    let messages: Vec<Payload> = (0..24).map(large).collect();
    let reading = async {
        let mut client = beginning.accept().await;
        for message in &messages {
            assert!(client.receive().await.as_ref() == Some(message), "a deferred message is missing");
        }
        client
    };
    let (delivered, client) = both(messaging.deliver_deferred(&id, &messages, soon()), reading).await;
    assert_eq!(delivered, messages.len());
    client.leave().await;
}

/// A client whose connection is rejected receives nothing.
///
/// # Panics
/// Panics if the expectation is not met.
pub async fn deferred_messages_of_rejected_connections_are_dropped(backend: &dyn Backend) {
    let messaging = backend.messaging();
    let beginning = backend.begin().await;
    let id = beginning.id();
    let messages = [text("never")];
    let (delivered, ()) = both(messaging.deliver_deferred(&id, &messages, soon()), beginning.refuse()).await;
    assert_eq!(delivered, 0);
    assert_gone(messaging, &id).await;
}

async fn assert_gone(messaging: &dyn Messaging, id: &ConnectionId) {
    assert_eq!(messaging.send(id, &text("x"), soon()).await, Err(Error::Gone));
    assert_eq!(messaging.describe(id, soon()).await, Err(Error::Gone));
    assert_eq!(messaging.close(id, soon()).await, Err(Error::Gone));
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

fn text(text: &str) -> Payload {
    Payload::Text(text.to_owned())
}

fn numbered(number: u32) -> Payload {
    Payload::Text(format!("message {number}"))
}

/// Runs two futures concurrently.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let mut one = pin!(one);
    let mut other = pin!(other);
    let mut first = None;
    let mut second = None;
    poll_fn(move |cx| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(cx)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}
