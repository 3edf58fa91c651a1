//! What waits to be written to one client.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tidegate_ports::messaging::Error;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

use crate::closing::Close;

/// A queue whose capacity is above this is given back once it is empty, so that a burst does not stay an idle
/// connection's memory.
const KEPT_CAPACITY: usize = 16;

/// The largest frame to a client: what API Gateway sends (unconfirmed), and what the write buffer of a connection grows
/// to and keeps.
const MAX_FRAME_BYTES: usize = 32 << 10;

/// How much may wait in an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) messages: usize,
}

/// The messages to one client, in order, and the end of them.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Told when the phase changes, and when a queue that refused a message has been taken to be written.
    changed: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    queue: VecDeque<Message>,
    bytes: usize,
    /// Whether a message was refused for want of room since the queue was last empty.
    refused: bool,
    /// The task of the socket, while it waits for something to write.
    waiting: Option<Waker>,
}

/// What the back end may do with a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The handshake is under way: the connection is gone to all but the deferred sends of its own `$connect`.
    #[default]
    Connecting,
    /// The socket is open.
    Open,
    /// The gateway closes the socket once the queue is written.
    Closing(Close),
    /// The close frame has been handed on, or the client closed, or vanished.
    Closed,
}

/// The next thing to write.
pub(crate) enum Next {
    Message(Message),
    /// Nothing follows the close frame.
    Close(Close),
    /// Nothing; the task is woken when there is something.
    Nothing,
}

impl Outbox {
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

    /// Queues a message of the back end like [`Outbox::send`], but waits for room.
    pub(crate) async fn send_patiently(&self, message: Message, room: Room) -> Result<(), Error> {
        loop {
            let changed = self.changed.notified();
            match self.send(message.clone(), room) {
                Err(Error::Throttled) => changed.await,
                result => return result,
            }
        }
    }

    /// Queues a message of the back end, when the socket is open and there is room.
    pub(crate) fn send(&self, message: Message, room: Room) -> Result<(), Error> {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return Err(Error::Gone);
        }
        // An empty queue takes any message, so that no allowed size is too large for it.
        let full = state.bytes.saturating_add(message.len()) > room.bytes || state.queue.len() >= room.messages;
        if full && !state.queue.is_empty() {
            state.refused = true;
            return Err(Error::Throttled);
        }
        let waiting = state.push(message);
        drop(state);
        waiting.wake();
        Ok(())
    }

    /// Queues a reply or an error frame, room or not: messages under way are bounded, and none are read while the outbox
    /// is full. Dropped when the socket is no longer open.
    pub(crate) fn reply(&self, message: Message) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            let waiting = state.push(message);
            drop(state);
            waiting.wake();
        }
    }

    /// Whether there is no room.
    pub(crate) fn is_full(&self, room: Room) -> bool {
        let state = self.state();
        state.bytes >= room.bytes || state.queue.len() >= room.messages
    }

    /// Lets messages in.
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

    /// Closes the socket after what is queued. False when it is not open.
    pub(crate) fn close(&self, close: Close) -> bool {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open | Phase::Connecting) {
            return false;
        }
        state.phase = Phase::Closing(close);
        let waiting = Waiting(state.waiting.take());
        drop(state);
        waiting.wake();
        self.changed.notify_waiters();
        true
    }

    /// Lets nothing in any more; answers what is still queued.
    pub(crate) fn shut(&self) -> VecDeque<Message> {
        let mut state = self.state();
        state.phase = Phase::Closed;
        state.bytes = 0;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.changed.notify_waiters();
        queue
    }

    /// The next thing to write. When there is nothing, `task` is remembered, if it is to wait.
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

    /// How the gateway wants to close the socket, when it does; remembers the task, which waits for its client to read.
    pub(crate) fn closing(&self, cx: &Context<'_>) -> Option<Close> {
        let mut state = self.state();
        state.wait(cx);
        if let Phase::Closing(close) = &state.phase { Some(close.clone()) } else { None }
    }

    /// Forgets the task, which runs and looks at the outbox before it waits again: what it queues itself need not wake
    /// it.
    pub(crate) fn attend(&self) {
        self.state().waiting = None;
    }
}

impl State {
    /// Takes the next message off the queue.
    fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.len();
        if self.queue.is_empty() && self.queue.capacity() > KEPT_CAPACITY {
            self.queue = VecDeque::new();
        }
        Some(message)
    }

    /// Queues a message. Only the first in the queue wakes the task: it empties the queue, or waits for its client to
    /// read.
    fn push(&mut self, message: Message) -> Waiting {
        let was_empty = self.queue.is_empty();
        for part in parts_of(message) {
            self.bytes += part.len();
            self.queue.push_back(part);
        }
        Waiting(if was_empty { self.waiting.take() } else { None })
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waiting = Some(cx.waker().clone());
        }
    }
}

/// Who is to be woken, once for any number of messages.
struct Waiting(Option<Waker>);

impl Waiting {
    fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

/// A message as frames of at most [`MAX_FRAME_BYTES`].
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

/// The message of a payload: text, or bytes that are not UTF-8. @connections has no other way to say text (unconfirmed).
pub(crate) fn frame_of(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length, kind and finality of each frame.
    fn frames(message: Message) -> Vec<(usize, OpCode, bool)> {
        let frame = |part| match part {
            Message::Frame(frame) => (frame.payload().len(), frame.header().opcode, frame.header().is_final),
            whole => (whole.len(), OpCode::Data(if whole.is_text() { Data::Text } else { Data::Binary }), true),
        };
        parts_of(message).map(frame).collect()
    }

    #[test]
    fn a_large_message_is_sent_in_frames() {
        let (text, binary, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Binary), OpCode::Data(Data::Continue));
        assert_eq!(frames(Message::text("")), [(0, text, true)]);
        assert_eq!(frames(Message::text("x".repeat(32_768))), [(32_768, text, true)]);
        assert_eq!(frames(Message::text("x".repeat(32_769))), [(32_768, text, false), (1, more, true)]);
        let large = [(32_768, binary, false), (32_768, more, true)];
        assert_eq!(frames(Message::binary(vec![0xff; 65_536])), large);
    }
}
