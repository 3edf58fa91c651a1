//! What every implementation of [`Messaging`] keeps to.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_event::{ConnectionId, MAX_PAYLOAD_BYTES, Payload};

use tidegate_ports::Deadline;
use tidegate_ports::messaging::{Error, Messaging};

/// Long enough for any call of the suite; none is expected to come near it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An implementation under test, and the means to be its clients.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The port.
    fn messaging(&self) -> &dyn Messaging;

    /// Opens a connection.
    async fn connect(&self) -> Box<dyn Client>;

    /// Begins a connection, and returns while its `$connect` runs.
    async fn begin(&self) -> Box<dyn Beginning>;

    /// The id of a connection that never was, of the form that the backend gives.
    fn unknown(&self) -> ConnectionId;
}

/// The client's side of an open connection.
#[async_trait]
pub trait Client: Send {
    /// Its id.
    fn id(&self) -> ConnectionId;

    /// The next message; none once the connection is closed.
    async fn receive(&mut self) -> Option<Payload>;

    /// Closes the connection, and returns once the backend knows.
    async fn leave(self: Box<Self>);
}

/// A connection whose `$connect` runs.
#[async_trait]
pub trait Beginning: Send {
    /// Its id.
    fn id(&self) -> ConnectionId;

    /// Lets `$connect` answer 200, and returns once the client's socket is open.
    async fn accept(self: Box<Self>) -> Box<dyn Client>;

    /// Lets `$connect` answer 403, and returns once the client knows.
    async fn refuse(self: Box<Self>);
}

/// Runs the whole suite.
///
/// # Panics
/// When the implementation differs from what the port promises.
pub async fn run(backend: &dyn Backend) {
    text_stays_text_and_bytes_stay_bytes(backend).await;
    messages_arrive_in_order(backend).await;
    an_unknown_connection_is_gone(backend).await;
    a_closed_connection_is_gone(backend).await;
    the_largest_message_arrives_and_a_larger_one_is_refused(backend).await;
    nothing_is_attempted_after_the_deadline(backend).await;
    many_results_are_in_the_order_of_the_targets(backend).await;
    an_open_connection_is_described(backend).await;
    closing_ends_the_connection_once(backend).await;
    deferred_messages_wait_for_the_socket(backend).await;
    deferred_messages_wait_for_room(backend).await;
    deferred_messages_are_dropped_when_the_connection_is_refused(backend).await;
}

/// Text arrives as text, and bytes that are not UTF-8 as bytes.
///
/// # Panics
/// When they do not.
pub async fn text_stays_text_and_bytes_stay_bytes(backend: &dyn Backend) {
    let mut client = backend.connect().await;
    for data in [text("{\"a\":\"é\"}"), Payload::Binary(vec![0xff, 0x00, 0xfe])] {
        assert_eq!(backend.messaging().send(&client.id(), &data, soon()).await, Ok(()));
        assert_eq!(client.receive().await, Some(data));
    }
    client.leave().await;
}

/// Calls that do not overlap are delivered in their order, single and many alike.
///
/// # Panics
/// When they are not.
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

/// Every call answers [`Error::Gone`] for a connection that never was.
///
/// # Panics
/// When one does not.
pub async fn an_unknown_connection_is_gone(backend: &dyn Backend) {
    let (messaging, id) = (backend.messaging(), backend.unknown());
    assert_gone(messaging, &id).await;
    assert_eq!(messaging.send_many(std::slice::from_ref(&id), &text("x"), soon()).await, [Err(Error::Gone)]);
    assert_eq!(messaging.deliver_deferred(&id, &[text("x")], soon()).await, 0);
}

/// A connection whose client has left is gone.
///
/// # Panics
/// When it is not.
pub async fn a_closed_connection_is_gone(backend: &dyn Backend) {
    let client = backend.connect().await;
    let id = client.id();
    client.leave().await;
    assert_gone(backend.messaging(), &id).await;
}

/// A message of exactly the limit arrives; one byte more is refused, and the connection stays.
///
/// # Panics
/// When it is otherwise.
pub async fn the_largest_message_arrives_and_a_larger_one_is_refused(backend: &dyn Backend) {
    let (messaging, mut client) = (backend.messaging(), backend.connect().await);
    let (largest, larger) = (text(&"x".repeat(MAX_PAYLOAD_BYTES)), text(&"x".repeat(MAX_PAYLOAD_BYTES + 1)));
    assert_eq!(messaging.send(&client.id(), &larger, soon()).await, Err(Error::TooLarge));
    assert_eq!(messaging.send_many(&[client.id()], &larger, soon()).await, [Err(Error::TooLarge)]);
    assert_eq!(messaging.send(&client.id(), &largest, soon()).await, Ok(()));
    assert_eq!(client.receive().await, Some(largest));
    client.leave().await;
}

/// A call whose deadline has passed sends nothing and says so.
///
/// # Panics
/// When it is otherwise.
pub async fn nothing_is_attempted_after_the_deadline(backend: &dyn Backend) {
    let (messaging, mut client) = (backend.messaging(), backend.connect().await);
    let past = Deadline::after(Duration::ZERO);
    assert_eq!(messaging.send(&client.id(), &text("late"), past).await, Err(Error::NotAttempted));
    let results = messaging.send_many(&[client.id(), client.id()], &text("late"), past).await;
    assert_eq!(results, [Err(Error::NotAttempted), Err(Error::NotAttempted)]);
    assert_eq!(messaging.close(&client.id(), past).await, Err(Error::NotAttempted));
    assert_eq!(messaging.send(&client.id(), &text("in time"), soon()).await, Ok(()));
    assert_eq!(client.receive().await, Some(text("in time")));
    client.leave().await;
}

/// A call with many targets answers for each in its place, and reaches those that are open.
///
/// # Panics
/// When it does not.
pub async fn many_results_are_in_the_order_of_the_targets(backend: &dyn Backend) {
    let (mut first, mut last) = (backend.connect().await, backend.connect().await);
    let ids = [first.id(), backend.unknown(), last.id()];
    let results = backend.messaging().send_many(&ids, &text("all"), soon()).await;
    assert_eq!(results, [Ok(()), Err(Error::Gone), Ok(())]);
    assert_eq!(first.receive().await, Some(text("all")));
    assert_eq!(last.receive().await, Some(text("all")));
    assert!(backend.messaging().send_many(&[], &text("none"), soon()).await.is_empty());
    first.leave().await;
    last.leave().await;
}

/// An open connection is described: since when, and from where.
///
/// # Panics
/// When it is not.
pub async fn an_open_connection_is_described(backend: &dyn Backend) {
    let (messaging, client) = (backend.messaging(), backend.connect().await);
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

/// Closing delivers what was sent before, ends the connection, and a second time there is nothing to close.
///
/// # Panics
/// When it is otherwise.
pub async fn closing_ends_the_connection_once(backend: &dyn Backend) {
    let (messaging, mut client) = (backend.messaging(), backend.connect().await);
    let id = client.id();
    assert_eq!(messaging.send(&id, &text("last"), soon()).await, Ok(()));
    assert_eq!(messaging.close(&id, soon()).await, Ok(()));
    assert_gone(messaging, &id).await;
    assert_eq!(client.receive().await, Some(text("last")));
    assert_eq!(client.receive().await, None);
}

/// A connecting client is gone to others, and receives its deferred messages, in order, once its socket is open.
///
/// # Panics
/// When it is otherwise.
pub async fn deferred_messages_wait_for_the_socket(backend: &dyn Backend) {
    let (messaging, beginning) = (backend.messaging(), backend.begin().await);
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

/// A client that reads receives more deferred messages than a backend would queue for it.
///
/// # Panics
/// When it does not.
pub async fn deferred_messages_wait_for_room(backend: &dyn Backend) {
    let (messaging, beginning) = (backend.messaging(), backend.begin().await);
    let id = beginning.id();
    // 3 MiB; the gateway's outbox holds one.
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

/// A refused client receives nothing.
///
/// # Panics
/// When it does.
pub async fn deferred_messages_are_dropped_when_the_connection_is_refused(backend: &dyn Backend) {
    let (messaging, beginning) = (backend.messaging(), backend.begin().await);
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

/// Runs two futures at once.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
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
