//! The end of a socket: the last frames, and a close without a reset.

use std::pin::Pin;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::closing::Close;
use crate::outbox::Unsent;
use crate::session::Socket;

/// A socket that has yet to be closed.
pub(crate) struct PendingClose {
    pub(crate) socket: Socket,
    /// The messages to send before a close frame. `None` if no close frame must be sent, because the client has
    /// received one or has left.
    pub(crate) unsent: Option<Unsent>,
    /// The time limit of the closing handshake, if the handshake has begun.
    pub(crate) timeout: Option<Pin<Box<Sleep>>>,
}

impl PendingClose {
    /// Closes the socket. The whole closing handshake takes at most `limit`.
    pub(crate) async fn run(self, close: Close, limit: Duration) {
        let Self { socket, unsent, timeout } = self;
        let timeout = timeout.unwrap_or_else(|| Box::pin(tokio::time::sleep(limit)));
        tokio::select! {
            biased;
            () = timeout => {}
            // An error means that the client has left.
            _ = close_socket(socket, unsent, close) => {}
        }
    }
}

async fn close_socket(mut socket: Socket, unsent: Option<Unsent>, close: Close) -> Result<(), Error> {
    if let Some(mut unsent) = unsent {
        // Pongs may fill the write buffer.
        socket.flush().await?;
        while let Some(message) = unsent.pop() {
            socket.feed(message).await?;
        }
        socket.feed(Message::Close(Some(close.frame()))).await?;
    }
    socket.flush().await?;
    socket.into_inner().shutdown().await?;
    Ok(())
}
