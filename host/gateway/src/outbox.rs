//! The messages waiting to be written to one client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tidegate_diagnostic::Code;
use tidegate_ports::messaging::Error;
use tidegate_ports::{MemoryBudget, OutOfMemory, Reservation};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use crate::closing::Close;

/// The maximum capacity of an empty queue. A larger queue is freed, so an idle connection does not keep the memory of a
/// burst.
const KEPT_CAPACITY: usize = 16;

/// The maximum size of a frame to a client. API Gateway uses the same size (unconfirmed). The write buffer of a
/// connection grows to this size and stays that large.
pub(crate) const MAX_FRAME_BYTES: usize = 32 << 10;

/// The capacity of an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

/// The bytes that a waiting message takes in addition to its data.
const MESSAGE_BYTES: usize = 128;

/// The memory of a message that several outboxes share. Its data is freed with the last of them.
pub(crate) type SharedMemory = Arc<Reservation>;

/// The messages to one client, in order, followed by the close.
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Notified when the phase changes, and when a queue that refused a message becomes empty.
    changed: Notify,
}

struct State {
    phase: Phase,
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// The bytes of the queue in the memory budget of the process.
    memory: Reservation,
    /// True if a message was refused for lack of room since the queue was last empty.
    refused: bool,
    /// The task of the socket while it waits for a message.
    waiting: Option<Waker>,
}

/// A message that waits.
struct Waiting {
    message: Message,
    /// `None` if the message is not in another outbox.
    shared: Option<SharedMemory>,
}

/// The messages that were queued when an outbox was shut, with their memory.
pub(crate) struct Unsent {
    queue: VecDeque<Waiting>,
    _memory: Reservation,
}

impl Unsent {
    /// Removes the next message.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.queue.pop_front().map(|waiting| waiting.message)
    }
}

/// The phase of a connection. It decides which calls of the back end succeed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The handshake is in progress. Only the deferred messages of the connection's own `$connect` wait for it to open.
    /// For all other calls, the connection is gone.
    #[default]
    Connecting,
    /// The socket is open.
    Open,
    /// The gateway closes the socket after the queue is written.
    Closing(Close),
    /// The close frame was passed to the socket, or the client has closed or left.
    Closed,
}

/// The next thing to write.
pub(crate) enum Next {
    Message(Message),
    /// The close frame, which is the last frame.
    Close(Close),
    /// There is no message yet.
    Nothing,
}

impl Outbox {
    /// Creates the outbox of a connection that is in its handshake.
    pub(crate) fn new(memory: &MemoryBudget) -> Self {
        let state = State {
            phase: Phase::default(),
            queue: VecDeque::new(),
            bytes: 0,
            memory: memory.holder(),
            refused: false,
            waiting: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the handshake is over.
    pub(crate) async fn handshake_over(&self) {
        loop {
            let changed = self.changed.notified();
            if self.phase() != Phase::Connecting {
                return;
            }
            changed.await;
        }
    }

    /// Queues a message from the back end like [`Outbox::send`], but waits for room.
    pub(crate) async fn send_when_room(&self, message: Message, room: Room) -> Result<(), Error> {
        loop {
            let changed = self.changed.notified();
            match self.send(message.clone(), room, None) {
                Err(Error::Throttled) => changed.await,
                result => return result,
            }
        }
    }

    /// Queues a message from the back end if the socket is open and there is room. `shared` is the memory of a message
    /// that other outboxes have too.
    pub(crate) fn send(&self, message: Message, room: Room, shared: Option<SharedMemory>) -> Result<(), Error> {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return Err(Error::Gone);
        }
        // An empty queue accepts a message of any allowed size.
        let is_full = state.bytes.saturating_add(message.len()) > room.bytes || state.queue.len() >= room.messages;
        if is_full && !state.queue.is_empty() {
            state.refused = true;
            return Err(Error::Throttled);
        }
        let Ok(waiting) = state.push(message, shared) else {
            state.refused = !state.queue.is_empty();
            return Err(Error::Throttled);
        };
        drop(state);
        waiting.wake();
        Ok(())
    }

    /// Queues a reply or an error frame, even without room: the number of messages in progress is bounded, and no
    /// message is read while the outbox is full. Drops the reply if the socket is not open, or if the memory budget has
    /// no room for it.
    pub(crate) fn reply(&self, message: Message) {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return;
        }
        match state.push(message, None) {
            Ok(waiting) => {
                drop(state);
                waiting.wake();
            }
            Err(error) => {
                drop(state);
                tracing::warn!(code = %Code::MemoryExhausted, "cannot queue a reply: {error}");
            }
        }
    }

    /// Returns true if there is no room.
    pub(crate) fn is_full(&self, room: Room) -> bool {
        let state = self.state();
        state.bytes >= room.bytes || state.queue.len() >= room.messages
    }

    /// Accepts messages from now on.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if state.phase == Phase::Connecting {
            state.phase = Phase::Open;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase.clone()
    }

    /// Closes the socket after the queue is written. Returns false if the socket is already closed.
    pub(crate) fn close(&self, close: Close) -> bool {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open | Phase::Connecting) {
            return false;
        }
        state.phase = Phase::Closing(close);
        let waiting = Wake(state.waiting.take());
        drop(state);
        waiting.wake();
        self.changed.notify_waiters();
        true
    }

    /// Refuses further messages, and returns the queued ones.
    pub(crate) fn shut(&self) -> Unsent {
        let mut state = self.state();
        state.phase = Phase::Closed;
        state.bytes = 0;
        let empty = state.memory.budget().holder();
        let unsent =
            Unsent { queue: std::mem::take(&mut state.queue), _memory: std::mem::replace(&mut state.memory, empty) };
        drop(state);
        self.changed.notify_waiters();
        unsent
    }

    /// Returns the next message or the close frame. If there is neither, the next message wakes `task`.
    pub(crate) fn next(&self, task: Option<&Context<'_>>) -> Next {
        let mut state = self.state();
        if let Some(message) = state.pop() {
            let is_awaited = state.queue.is_empty() && std::mem::take(&mut state.refused);
            drop(state);
            if is_awaited {
                self.changed.notify_waiters();
            }
            return Next::Message(message);
        }
        if matches!(state.phase, Phase::Closing(_))
            && let Phase::Closing(close) = std::mem::replace(&mut state.phase, Phase::Closed)
        {
            return Next::Close(close);
        }
        if let Some(cx) = task {
            state.wait(cx);
        }
        Next::Nothing
    }

    /// Returns a message to the front of the queue, because the socket has no room for it.
    pub(crate) fn put_back(&self, message: Message) {
        let mut state = self.state();
        state.bytes += message.len();
        // Its memory was counted until now, so a refusal would be an accident of the moment.
        let _ = state.memory.try_grow(message.len() + MESSAGE_BYTES);
        state.queue.push_front(Waiting { message, shared: None });
    }

    /// Returns the close frame, because the socket has no room for it.
    pub(crate) fn put_back_close(&self, close: Close) {
        self.state().phase = Phase::Closing(close);
    }

    /// Returns the close that the gateway has begun. A later close wakes the task, which waits for its client to read.
    pub(crate) fn closing(&self, cx: &Context<'_>) -> Option<Close> {
        let mut state = self.state();
        state.wait(cx);
        if let Phase::Closing(close) = &state.phase { Some(close.clone()) } else { None }
    }

    /// Stops waking the task. The task is running, and checks the outbox before it waits again.
    pub(crate) fn attend(&self) {
        self.state().waiting = None;
    }
}

impl State {
    /// Removes the next message from the queue.
    fn pop(&mut self) -> Option<Message> {
        let Waiting { message, shared } = self.queue.pop_front()?;
        self.bytes -= message.len();
        self.memory.shrink(memory_of(&message, shared.is_some()));
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        Some(message)
    }

    /// Queues a message. Only the first message of a queue wakes the task, which then empties the queue or waits for
    /// its client to read.
    fn push(&mut self, message: Message, shared: Option<SharedMemory>) -> Result<Wake, OutOfMemory> {
        let was_empty = self.queue.is_empty();
        let frames = message.len().div_ceil(MAX_FRAME_BYTES).max(1);
        let data = if shared.is_some() { 0 } else { message.len() };
        self.memory.try_grow(data + frames * MESSAGE_BYTES)?;
        for part in parts_of(message) {
            self.bytes += part.len();
            self.queue.push_back(Waiting { message: part, shared: shared.clone() });
        }
        Ok(Wake(if was_empty { self.waiting.take() } else { None }))
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waiting = Some(cx.waker().clone());
        }
    }
}

/// Returns the bytes of a waiting frame in the memory budget.
fn memory_of(message: &Message, is_shared: bool) -> usize {
    MESSAGE_BYTES + if is_shared { 0 } else { message.len() }
}

/// The task to wake. One wake-up serves any number of messages.
struct Wake(Option<Waker>);

impl Wake {
    fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

/// Splits a message into frames of at most [`MAX_FRAME_BYTES`].
fn parts_of(message: Message) -> impl Iterator<Item = Message> {
    let (small, kind, mut rest) = match message {
        Message::Text(text) if text.len() > MAX_FRAME_BYTES => (None, Data::Text, Bytes::from(text)),
        Message::Binary(bytes) if bytes.len() > MAX_FRAME_BYTES => (None, Data::Binary, bytes),
        small => (Some(small), Data::Continue, Bytes::new()),
    };
    let mut next = Some(kind).filter(|_| small.is_none());
    let large = std::iter::from_fn(move || {
        let kind = next?;
        let part = rest.split_to(rest.len().min(MAX_FRAME_BYTES));
        next = Some(Data::Continue).filter(|_| !rest.is_empty());
        Some(Message::Frame(Frame::message(part, OpCode::Data(kind), next.is_none())))
    });
    small.into_iter().chain(large)
}

/// Returns a text message if the bytes are UTF-8, otherwise a binary message. `@connections` has no other way to choose
/// text (unconfirmed).
pub(crate) fn frame_of(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length, the opcode and the final bit of each frame.
    fn frames(message: Message) -> Vec<(usize, OpCode, bool)> {
        let frame = |part| match part {
            Message::Frame(frame) => (frame.payload().len(), frame.header().opcode, frame.header().is_final),
            whole => (whole.len(), OpCode::Data(if whole.is_text() { Data::Text } else { Data::Binary }), true),
        };
        parts_of(message).map(frame).collect()
    }

    #[test]
    fn large_messages_are_split_into_frames() {
        let text = OpCode::Data(Data::Text);
        let binary = OpCode::Data(Data::Binary);
        let more = OpCode::Data(Data::Continue);
        assert_eq!(frames(Message::text("")), [(0, text, true)]);
        assert_eq!(frames(Message::text("x".repeat(32_768))), [(32_768, text, true)]);
        assert_eq!(frames(Message::text("x".repeat(32_769))), [(32_768, text, false), (1, more, true)]);
        let large = [(32_768, binary, false), (32_768, more, true)];
        assert_eq!(frames(Message::binary(vec![0xff; 65_536])), large);
    }
}
