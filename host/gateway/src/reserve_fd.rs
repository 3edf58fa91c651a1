//! A reserved file descriptor, for refusing sockets when no descriptor is left.

use std::fs::File;
use std::future::poll_fn;
use std::task::Poll;

use tidegate_diagnostic::Code;
use tokio::net::TcpListener;

use crate::server::BACK_OFF;

/// A descriptor that is released in order to accept and close a new socket. The client is refused instead of left
/// waiting, and open sockets are not affected.
pub(crate) struct ReserveFd {
    file: Option<File>,
    is_exhausted: bool,
}

impl ReserveFd {
    pub(crate) fn new() -> Self {
        Self { file: File::open("/dev/null").ok(), is_exhausted: false }
    }

    /// Logs once that new sockets are refused.
    pub(crate) fn set_exhausted(&mut self, reason: &str) {
        if !self.is_exhausted {
            let code = Code::SocketsExhausted;
            tracing::error!(%code, "refusing new connections: {reason}; open connections are kept");
            self.is_exhausted = true;
        }
    }

    /// Logs once that new sockets are accepted again.
    pub(crate) fn set_recovered(&mut self) {
        if self.is_exhausted {
            tracing::info!("accepting new connections again");
            self.is_exhausted = false;
        }
    }

    /// Accepts and closes every waiting socket.
    pub(crate) async fn refuse_waiting(&mut self, listener: &TcpListener) {
        if self.file.take().is_none() {
            tokio::time::sleep(BACK_OFF).await;
        }
        // Polling ends at the first pending accept. Awaiting it would accept a later socket, which could be served.
        poll_fn(|cx| {
            while let Poll::Ready(Ok(refused)) = listener.poll_accept(cx) {
                drop(refused);
            }
            Poll::Ready(())
        })
        .await;
        self.file = File::open("/dev/null").ok();
    }
}
