//! The write buffer of a socket, which tungstenite keeps: frames on their way from the outbox to the client, and pongs.
//!
//! tungstenite answers a ping as soon as it reads one. Without a bound, the pongs for a client that never reads would
//! take all memory. At the bound, only the pong of the latest ping waits, as RFC 6455 section 5.5.3 allows.

use std::pin::Pin;
use std::task::Context;

use futures_util::Sink;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::closing::Close;
use crate::outbox::{MAX_FRAME_BYTES, Outbox};
use crate::session::Socket;

/// The number of bytes of small frames to gather before they are written.
pub(crate) const WRITE_BUFFER_BYTES: usize = 4 << 10;
/// The maximum size of the buffer: the largest frame with its header, small frames that were gathered before it, and
/// pongs. This is in addition to the bytes of the outbox.
pub(crate) const MAX_WRITE_BUFFER_BYTES: usize = MAX_FRAME_BYTES + 16 * 1024;

const _: () = assert!(MAX_WRITE_BUFFER_BYTES > MAX_FRAME_BYTES + 2 * WRITE_BUFFER_BYTES);

/// Passes a message of the outbox to the buffer. Returns false if the message is in the outbox again, because pongs
/// fill the buffer and the client does not read.
pub(crate) fn pass(
    mut socket: Pin<&mut Socket>,
    outbox: &Outbox,
    message: Message,
    cx: &mut Context<'_>,
) -> Result<bool, Error> {
    match socket.as_mut().start_send(message) {
        Err(Error::WriteBufferFull(message)) => {
            outbox.put_back(*message);
            Ok(socket.poll_flush(cx)?.is_ready())
        }
        result => result.map(|()| true),
    }
}

/// Passes the close frame to the empty buffer. Returns the close if the client must read first: tungstenite would lose
/// a close frame for which the buffer has no room.
pub(crate) fn pass_close(
    mut socket: Pin<&mut Socket>,
    outbox: &Outbox,
    close: Close,
    cx: &mut Context<'_>,
) -> Result<Option<Close>, Error> {
    if socket.as_mut().poll_flush(cx)?.is_pending() {
        outbox.put_back_close(close);
        return Ok(None);
    }
    socket.start_send(Message::Close(Some(close.frame())))?;
    Ok(Some(close))
}
