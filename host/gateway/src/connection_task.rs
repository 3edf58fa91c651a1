//! The task of one open socket: reads frames, runs handlers, writes messages.
//!
//! One future does all three. An idle connection therefore costs one task, a quick reply is written without waking
//! another task, and a slow handler delays neither reading nor writing.
//!
//! A client with too many messages in progress, or too many unread messages, is paused: the task reads and holds one
//! more message, and reads nothing after it. Until then, the gateway still sees pings and a close frame. If a paused
//! client sends more messages before its close frame, the gateway sees the close frame only after the pause. The pause
//! ends at the latest with the integration timeout.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, Stream, StreamExt};
use tidegate_event::{MessageId, Request, encode_message};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::closing::Close;
use crate::gateway::Gateway;
use crate::integration::{Call, FORBIDDEN, INTERNAL, THROTTLED, error_frame};
use crate::outbox::Next;
use crate::pending_close::PendingClose;
use crate::session::{Socket, stamp};
use crate::socket_table::{Entry, Peer};
use crate::write_buffer;

/// The maximum number of frames to read before replies are written and other tasks run.
const BATCH: usize = 16;

/// The maximum time of a batch. Many clients that send without waiting would otherwise delay all others.
const TURN: Duration = Duration::from_micros(100);

/// The messages of one connection that are in progress.
type Handlers = FuturesUnordered<BoxFuture<'static, ()>>;

/// The task of an open socket. The task completes when the connection has ended.
pub(crate) struct ConnectionTask<'a> {
    gateway: Arc<Gateway>,
    peer: Arc<Peer>,
    /// The part of each event that all events of the connection share.
    request: &'a mut Request,
    /// `None` once the task has completed.
    socket: Option<Socket>,
    handlers: Handlers,
    /// A message that was read while the client was paused.
    held: Option<Utf8Bytes>,
    /// Set once either side has begun to close. Later messages from the client are discarded.
    closing: Option<Close>,
    /// The time limit of the closing handshake, once the handshake has begun.
    close_timeout: Option<Pin<Box<Sleep>>>,
    unflushed: bool,
}

/// The end of a connection, and the remaining work.
pub(crate) struct Ended {
    pub(crate) close: Close,
    handlers: Handlers,
    pending: Option<PendingClose>,
}

/// The reason for reading or writing to stop permanently.
enum Stop {
    /// The connection has ended, and no close frame must be sent.
    Over(Close),
    /// The client broke a rule, and a close frame must be sent.
    Refuse(Close),
}

impl<'a> ConnectionTask<'a> {
    pub(crate) fn new(gateway: Arc<Gateway>, entry: &Entry, socket: Socket, request: &'a mut Request) -> Self {
        Self {
            gateway,
            peer: Arc::clone(&entry.peer),
            request,
            socket: Some(socket),
            handlers: Handlers::new(),
            held: None,
            closing: None,
            close_timeout: None,
            unflushed: false,
        }
    }

    /// Reads, runs handlers and writes once. Returns true if there is more to do immediately.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let has_more = self.read(cx)?;
        while let Poll::Ready(Some(())) = Pin::new(&mut self.handlers).poll_next(cx) {}
        self.write(cx)?;
        self.check_close_timeout(cx)?;
        Ok(has_more && (self.held.is_none() || !self.is_paused()))
    }

    /// Returns true if the client has too many messages in progress, or has not read too many messages.
    fn is_paused(&self) -> bool {
        let is_busy = self.handlers.len() >= self.gateway.limits.concurrent_messages;
        self.closing.is_none() && (is_busy || self.peer.outbox.is_full(self.gateway.limits.room()))
    }

    /// Reads a batch of frames. Returns true if the socket may have more frames.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let begin = Instant::now();
        for _ in 0..BATCH {
            // The replies to earlier frames are staged before a later frame can close the socket.
            self.stage(cx)?;
            let under_way = self.handlers.len();
            if !self.dispatch_held(cx) {
                return Ok(true);
            }
            let Some(socket) = self.socket.as_mut() else { return Ok(false) };
            match Pin::new(socket).poll_next(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(message))) => self.receive(message, cx)?,
                Poll::Ready(Some(Err(error))) => return Err(self.read_error(&error)),
                Poll::Ready(None) => return Err(self.over()),
            }
            // An unfinished handler may have run for as long as the host lets a guest run, so other tasks run next.
            if self.handlers.len() > under_way || begin.elapsed() > TURN {
                break;
            }
        }
        Ok(true)
    }

    fn receive(&mut self, message: Message, cx: &mut Context<'_>) -> Result<(), Stop> {
        match message {
            Message::Close(frame) => {
                // tungstenite responds to the close frame at the next read.
                self.closing.get_or_insert_with(|| Close::by_client(frame.as_ref()));
                drop(self.peer.outbox.shut());
                start_close_timeout(&mut self.close_timeout, &self.gateway);
            }
            _ if self.closing.is_some() => {}
            Message::Text(text) => {
                self.peer.touch(self.gateway.clock.elapsed());
                self.held = Some(text);
                self.dispatch_held(cx);
            }
            Message::Binary(_) => return Err(Stop::Refuse(Close::BINARY)),
            Message::Ping(_) | Message::Pong(_) => {
                self.unflushed = true;
                if self.gateway.limits.pings_reset_idle {
                    self.peer.touch(self.gateway.clock.elapsed());
                }
            }
            Message::Frame(_) => {}
        }
        Ok(())
    }

    /// Starts the held message unless the client is paused. Returns true if no message is held afterwards.
    fn dispatch_held(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_paused() {
            return self.held.is_none();
        }
        match self.held.take() {
            Some(text) if self.closing.is_none() => self.dispatch(text.as_str(), cx),
            _ => {}
        }
        true
    }

    /// Starts a message on its route. The first poll happens here, because most handlers do not need a second poll.
    fn dispatch(&mut self, text: &str, cx: &mut Context<'_>) {
        let gateway = Arc::clone(&self.gateway);
        let peer = Arc::clone(&self.peer);
        let Ok(request_id) = stamp(&gateway, self.request) else { return };
        if gateway.sockets.admit_request().is_err() {
            return peer.outbox.reply(error_frame(THROTTLED, &peer, request_id));
        }
        let api = gateway.api();
        let Some((key, route)) = api.route_of(text) else {
            return peer.outbox.reply(error_frame(FORBIDDEN, &peer, request_id));
        };
        if self.request.route_key != *key {
            self.request.route_key = key.clone();
        }
        let Ok(message_id) = MessageId::new(gateway.ids.next().as_str()) else {
            return peer.outbox.reply(error_frame(INTERNAL, &peer, request_id));
        };
        let Ok(memory) = gateway.limits.call_memory(text.len()) else {
            return peer.outbox.reply(error_frame(THROTTLED, &peer, request_id));
        };
        let event = encode_message(self.request, &message_id, text);
        let (route, response) = (key.clone(), route.response);
        let call = Call { gateway, peer, request_id, route, event, response, _memory: memory };
        let mut call: BoxFuture<'static, ()> = Box::pin(call.run());
        if call.as_mut().poll(cx).is_pending() {
            self.handlers.push(call);
        }
    }

    /// Passes the outbox to the socket as far as the client reads. Does not register for later messages.
    fn stage(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.poll_stage(cx, false) {
            Poll::Ready(Err(_)) => Err(self.over()),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Writes the outbox as far as the client reads.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(self.over()),
            Poll::Pending => {
                // A client that does not read cannot keep its connection from being closed.
                if let Some(close) = self.peer.outbox.closing(cx) {
                    self.closing.get_or_insert(close);
                    start_close_timeout(&mut self.close_timeout, &self.gateway);
                }
                Ok(())
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        std::task::ready!(self.poll_stage(cx, true))?;
        if let Some(socket) = self.socket.as_mut()
            && self.unflushed
        {
            std::task::ready!(Pin::new(socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Passes the outbox to the socket's write buffer. Pending if the client does not read. With `wait`, the next
    /// message wakes the task.
    fn poll_stage(&mut self, cx: &mut Context<'_>, wait: bool) -> Poll<Result<(), Error>> {
        let Some(socket) = self.socket.as_mut() else { return Poll::Ready(Ok(())) };
        let mut socket = Pin::new(socket);
        let outbox = &self.peer.outbox;
        let mut has_written = false;
        let is_blocked = loop {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break true,
            }
            match outbox.next(wait.then_some(&*cx)) {
                Next::Message(message) => {
                    if !write_buffer::pass(socket.as_mut(), outbox, message, cx)? {
                        break true;
                    }
                }
                Next::Close(close) => {
                    let Some(close) = write_buffer::pass_close(socket.as_mut(), outbox, close, cx)? else { break true };
                    self.closing.get_or_insert(close);
                    start_close_timeout(&mut self.close_timeout, &self.gateway);
                }
                Next::Nothing => break false,
            }
            has_written = true;
            self.unflushed = true;
        };
        if has_written {
            self.peer.touch(self.gateway.clock.elapsed());
        }
        if is_blocked { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn check_close_timeout(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.close_timeout.as_mut().map(|timeout| timeout.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Err(self.over()),
            _ => Ok(()),
        }
    }

    fn over(&mut self) -> Stop {
        Stop::Over(self.closing.take().unwrap_or(Close::VANISHED))
    }

    fn read_error(&mut self, error: &Error) -> Stop {
        let refusal = match error {
            Error::Capacity(_) if self.has_forbidden_header() => Close::PROTOCOL,
            Error::Capacity(_) => Close::TOO_LARGE,
            Error::Utf8(_) => Close::NOT_UTF8,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return self.over(),
            Error::Protocol(_) => Close::PROTOCOL,
            _ => return self.over(),
        };
        if self.closing.is_some() { self.over() } else { Stop::Refuse(refusal) }
    }

    fn has_forbidden_header(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.get_ref().has_forbidden_header())
    }
}

/// Starts the time limit of the closing handshake, once.
fn start_close_timeout(timeout: &mut Option<Pin<Box<Sleep>>>, gateway: &Gateway) {
    timeout.get_or_insert_with(|| Box::pin(tokio::time::sleep(gateway.limits.close_handshake)));
}

impl Future for ConnectionTask<'_> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let task = self.get_mut();
        task.peer.outbox.attend();
        let (close, is_refused) = match task.turn(cx) {
            Ok(has_more) => {
                if has_more {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Err(Stop::Over(close)) => (close, false),
            Err(Stop::Refuse(close)) => (close, true),
        };
        let unsent = Some(task.peer.outbox.shut()).filter(|_| is_refused);
        task.peer.departed.cancel();
        let timeout = task.close_timeout.take();
        let pending = task.socket.take().map(|socket| PendingClose { socket, unsent, timeout });
        let handlers = std::mem::take(&mut task.handlers);
        Poll::Ready(Ended { close, handlers, pending })
    }
}

impl Ended {
    /// Returns the end of a connection whose client left before the socket opened.
    pub(crate) fn vanished() -> Self {
        Self { close: Close::VANISHED, handlers: Handlers::new(), pending: None }
    }

    /// Closes the socket, which takes at most `limit`, and finishes the messages in progress.
    pub(crate) async fn finish(self, limit: Duration) {
        let Self { close, mut handlers, pending } = self;
        let closing = async {
            if let Some(pending) = pending {
                pending.run(close, limit).await;
            }
        };
        let remaining = async { while handlers.next().await.is_some() {} };
        tokio::join!(closing, remaining);
    }
}
