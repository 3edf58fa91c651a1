//! What one open socket reads and writes.
//!
//! One future does all of it: it reads frames, polls the messages under way, and writes what the outbox holds. So an idle
//! connection costs one task, a quick reply is written without another task being woken, and a slow handler holds up
//! neither reading nor writing.
//!
//! A client with too many messages under way, or with too much that it has not read, must wait: one message more is read
//! and held, and nothing behind it. Pings and the client's close are seen until then; a client that sends further messages
//! and then closes is noticed once it needs not wait any more, at the latest when its integrations have timed out.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tidegate_event::{MessageId, Request, encode_message};
use tokio::io::AsyncWriteExt;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::closing::Close;
use crate::connections::{Entry, Peer};
use crate::gateway::Gateway;
use crate::integration::{Call, FORBIDDEN, INTERNAL, THROTTLED, error_frame};
use crate::outbox::Next;
use crate::session::{Socket, stamp};

/// Frames that are read before what they led to is written, and other tasks run.
const BATCH: usize = 16;

/// The messages of one connection that are under way.
type Handlers = FuturesUnordered<BoxFuture<'static, ()>>;

/// An open socket; ends when it is to be dropped.
pub(crate) struct Pump<'a> {
    gateway: Arc<Gateway>,
    peer: Arc<Peer>,
    /// The connection's part of every event.
    request: &'a mut Request,
    /// Taken at the end.
    socket: Option<Socket>,
    handlers: Handlers,
    /// A message that was read while the client must wait.
    held: Option<Utf8Bytes>,
    /// Set once either side has begun to close: what the client still sends is not handled.
    closing: Option<Close>,
    /// When a closing socket is dropped.
    patience: Option<Pin<Box<Sleep>>>,
    unflushed: bool,
}

/// How a socket ended, and what is left to do.
pub(crate) struct Ended {
    pub(crate) close: Close,
    handlers: Handlers,
    pending: Option<PendingClose>,
}

/// A socket that is still to be closed.
struct PendingClose {
    socket: Socket,
    /// The messages to send before a close frame; none if the client has had its close frame, or has left.
    unsent: Option<VecDeque<Message>>,
    /// The end of the time for the close, if that time has begun.
    timeout: Option<Pin<Box<Sleep>>>,
}

/// Why reading or writing stops for good.
enum Stop {
    /// Nothing is left to be said.
    Over(Close),
    /// The client broke a rule, and is told so.
    Refuse(Close),
}

impl<'a> Pump<'a> {
    pub(crate) fn new(gateway: Arc<Gateway>, entry: &Entry, socket: Socket, request: &'a mut Request) -> Self {
        Self {
            gateway,
            peer: Arc::clone(&entry.peer),
            request,
            socket: Some(socket),
            handlers: Handlers::new(),
            held: None,
            closing: None,
            patience: None,
            unflushed: false,
        }
    }

    /// One round of everything. True when there is more to do at once.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let unread = self.read(cx)?;
        while let Poll::Ready(Some(())) = Pin::new(&mut self.handlers).poll_next(cx) {}
        self.write(cx)?;
        self.check_patience(cx)?;
        Ok(unread && (self.held.is_none() || !self.is_paused()))
    }

    /// Whether the client must wait: with too many messages under way, or too much that it has not read.
    fn is_paused(&self) -> bool {
        let connections = &self.gateway.connections;
        let busy = self.handlers.len() >= connections.limits.concurrent_messages;
        self.closing.is_none() && (busy || self.peer.outbox.is_full(connections.room()))
    }

    /// Reads until there is nothing; true when it stopped before that.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        for _ in 0..BATCH {
            // What earlier frames led to is on its way before a later one may close the socket.
            self.stage(cx)?;
            let under_way = self.handlers.len();
            if !self.take_held(cx) {
                return Ok(true);
            }
            let Some(socket) = self.socket.as_mut() else { return Ok(false) };
            match Pin::new(socket).poll_next(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(message))) => self.take(message, cx)?,
                Poll::Ready(Some(Err(error))) => return Err(self.stop(&error)),
                Poll::Ready(None) => return Err(self.over()),
            }
            // A handler that was not done at once may have run for as long as the host lets a guest: others first.
            if self.handlers.len() > under_way {
                break;
            }
        }
        Ok(true)
    }

    fn take(&mut self, message: Message, cx: &mut Context<'_>) -> Result<(), Stop> {
        let connections = &self.gateway.connections;
        match message {
            Message::Close(frame) => {
                // The client's close is answered while the next frame is waited for.
                self.closing.get_or_insert_with(|| Close::by_client(frame.as_ref()));
                self.peer.outbox.shut();
                self.await_end();
            }
            _ if self.closing.is_some() => {}
            Message::Text(text) => {
                self.peer.touch(connections.clock.elapsed());
                self.held = Some(text);
                self.take_held(cx);
            }
            Message::Binary(_) => return Err(Stop::Refuse(Close::BINARY)),
            Message::Ping(_) | Message::Pong(_) => {
                self.unflushed = true;
                if connections.limits.pings_reset_idle {
                    self.peer.touch(connections.clock.elapsed());
                }
            }
            Message::Frame(_) => {}
        }
        Ok(())
    }

    /// Starts the message that is held, unless its client must wait; true when none is held then.
    fn take_held(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_paused() {
            return self.held.is_none();
        }
        match self.held.take() {
            // What a closing client has sent is not handled.
            Some(text) if self.closing.is_none() => self.dispatch(text.as_str(), cx),
            _ => {}
        }
        true
    }

    /// Starts a message on its route; the first step is taken here, for most need no second.
    fn dispatch(&mut self, text: &str, cx: &mut Context<'_>) {
        let (gateway, peer) = (Arc::clone(&self.gateway), Arc::clone(&self.peer));
        let Ok(request_id) = stamp(&gateway, self.request) else { return };
        if gateway.connections.admit_request().is_err() {
            return peer.outbox.reply(error_frame(THROTTLED, &peer, request_id));
        }
        let api = gateway.api();
        let Some((key, route)) = api.route_of(text) else {
            return peer.outbox.reply(error_frame(FORBIDDEN, &peer, request_id));
        };
        if self.request.route_key != *key {
            self.request.route_key = key.clone();
        }
        let Ok(message_id) = MessageId::new(gateway.connections.ids.next().as_str()) else {
            return peer.outbox.reply(error_frame(INTERNAL, &peer, request_id));
        };
        let event = encode_message(self.request, &message_id, text);
        let call = Call { gateway, peer, request_id, event, response: route.response };
        let mut call: BoxFuture<'static, ()> = Box::pin(call.run());
        if call.as_mut().poll(cx).is_pending() {
            self.handlers.push(call);
        }
    }

    /// Hands what the outbox holds to the socket, as far as the client reads it, without waiting for more.
    fn stage(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.poll_stage(cx, false) {
            Poll::Ready(Err(_)) => Err(self.over()),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Writes what the outbox holds, as far as the client reads it.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(self.over()),
            Poll::Pending => {
                // A client that does not read must not keep its connection from being closed.
                if let Some(close) = self.peer.outbox.closing(cx) {
                    self.closing.get_or_insert(close);
                    self.await_end();
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

    /// Hands what the outbox holds to the socket, which gathers it; pending when the client does not read. Once there is
    /// nothing, the task waits for more if it is to.
    fn poll_stage(&mut self, cx: &mut Context<'_>, wait: bool) -> Poll<Result<(), Error>> {
        let Some(socket) = self.socket.as_mut() else { return Poll::Ready(Ok(())) };
        let (mut socket, mut wrote) = (Pin::new(socket), false);
        let blocked = loop {
            match socket.as_mut().poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break true,
            }
            match self.peer.outbox.next(wait.then_some(&*cx)) {
                Next::Message(message) => socket.as_mut().start_send(message)?,
                Next::Close(close) => {
                    socket.as_mut().start_send(Message::Close(Some(close.frame())))?;
                    self.closing.get_or_insert(close);
                    await_end(&mut self.patience, &self.gateway);
                }
                Next::Nothing => break false,
            }
            (wrote, self.unflushed) = (true, true);
        };
        if wrote {
            self.peer.touch(self.gateway.connections.clock.elapsed());
        }
        if blocked { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn await_end(&mut self) {
        await_end(&mut self.patience, &self.gateway);
    }

    fn check_patience(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        match self.patience.as_mut().map(|patience| patience.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Err(self.over()),
            _ => Ok(()),
        }
    }

    fn sent_forbidden_header(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.get_ref().sent_forbidden_header())
    }

    fn over(&mut self) -> Stop {
        Stop::Over(self.closing.take().unwrap_or(Close::VANISHED))
    }

    fn stop(&mut self, error: &Error) -> Stop {
        let refusal = match error {
            Error::Capacity(_) if self.sent_forbidden_header() => Close::PROTOCOL,
            Error::Capacity(_) => Close::TOO_LARGE,
            Error::Utf8(_) => Close::NOT_UTF8,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return self.over(),
            Error::Protocol(_) => Close::PROTOCOL,
            _ => return self.over(),
        };
        if self.closing.is_some() { self.over() } else { Stop::Refuse(refusal) }
    }
}

/// Starts the time that a closing handshake may take, once.
fn await_end(patience: &mut Option<Pin<Box<Sleep>>>, gateway: &Gateway) {
    patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(gateway.connections.limits.close_handshake)));
}

impl Future for Pump<'_> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let pump = self.get_mut();
        pump.peer.outbox.attend();
        let (close, refused) = match pump.turn(cx) {
            Ok(more) => {
                if more {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            Err(Stop::Over(close)) => (close, false),
            Err(Stop::Refuse(close)) => (close, true),
        };
        let unsent = Some(pump.peer.outbox.shut()).filter(|_| refused);
        let timeout = pump.patience.take();
        let pending = pump.socket.take().map(|socket| PendingClose { socket, unsent, timeout });
        let handlers = std::mem::take(&mut pump.handlers);
        Poll::Ready(Ended { close, handlers, pending })
    }
}

impl Ended {
    /// The end of a connection whose client had gone when its socket was to open.
    pub(crate) fn vanished() -> Self {
        Self { close: Close::VANISHED, handlers: Handlers::new(), pending: None }
    }

    /// Closes the socket, for which it takes at most `limit`, and finishes the messages under way.
    pub(crate) async fn finish(self, limit: Duration) {
        let Self { close, mut handlers, pending } = self;
        let closing = async {
            if let Some(pending) = pending {
                pending.run(close, limit).await;
            }
        };
        let rest = async { while handlers.next().await.is_some() {} };
        tokio::join!(closing, rest);
    }
}

impl PendingClose {
    async fn run(self, close: Close, limit: Duration) {
        let Self { socket, unsent, timeout } = self;
        let timeout = timeout.unwrap_or_else(|| Box::pin(tokio::time::sleep(limit)));
        tokio::select! {
            biased;
            () = timeout => {}
            // After an error there is nothing left to write to.
            _ = close_socket(socket, unsent, close) => {}
        }
    }
}

/// Writes what is left for the client, and closes the socket without a reset.
async fn close_socket(mut socket: Socket, unsent: Option<VecDeque<Message>>, close: Close) -> Result<(), Error> {
    if let Some(unsent) = unsent {
        for message in unsent {
            socket.feed(message).await?;
        }
        socket.feed(Message::Close(Some(close.frame()))).await?;
    }
    socket.flush().await?;
    socket.into_inner().shutdown().await?;
    Ok(())
}
