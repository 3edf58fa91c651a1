//! The server's side of a client's socket.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use tidegate_ports::Reservation;

use crate::frames::FrameScanner;
use crate::heads::Heads;
use crate::limits::SOCKET_BYTES;
use crate::session::READ_BUFFER_BYTES;

/// The number of reads after which other tasks run. A client that sends fragments without end never completes a
/// message, so its connection would be read for as long as data arrives.
const READS: u32 = 8;
/// The number of bytes that a closing socket reads and discards at a time.
const DISCARD_BYTES: usize = 8 << 10;
/// The maximum number of bytes that a closing socket reads and discards. A client that has not seen the close still
/// sends what it has begun, for example a body above the limit. A client that sends on without end is reset.
const MAX_DISCARDED_BYTES: usize = 4 << 20;

/// A client's socket with its permit to be open. It records or scans the bytes read from the socket.
///
/// A shutdown closes the sending half. It then reads and discards data from the client until the client closes its
/// half, the close timeout has passed, or the client has sent [`MAX_DISCARDED_BYTES`]. The kernel resets a socket that
/// is dropped with unread bytes, and a reset can destroy data that the client has not read yet, for example the close
/// frame.
pub(crate) struct RecordingStream {
    stream: TcpStream,
    recorder: Recorder,
    /// The number of reads since other tasks have run.
    reads: u32,
    close_timeout: Duration,
    /// The time limit of the close, once the sending half is closed.
    closing: Option<Pin<Box<Sleep>>>,
    /// The number of bytes that were discarded.
    discarded: usize,
    admitted: Admitted,
}

/// The permission of a socket to be open, and its memory.
pub(crate) struct Admitted {
    pub(crate) memory: Reservation,
    pub(crate) _permit: OwnedSemaphorePermit,
}

enum Recorder {
    Heads(Arc<Heads>),
    Frames(FrameScanner),
}

impl RecordingStream {
    /// Creates a stream that records request heads.
    pub(crate) fn new(stream: TcpStream, admitted: Admitted, heads: Arc<Heads>, close_timeout: Duration) -> Self {
        let recorder = Recorder::Heads(heads);
        Self { stream, recorder, reads: 0, close_timeout, closing: None, discarded: 0, admitted }
    }

    /// Scans the client's bytes as WebSocket frames from now on. `received` was already read from the socket.
    pub(crate) fn scan_frames(&mut self, received: &[u8]) {
        let mut scanner = FrameScanner::default();
        scanner.scan(received);
        self.recorder = Recorder::Frames(scanner);
    }

    /// Returns true if the client has sent a frame header that RFC 6455 forbids regardless of the limits.
    pub(crate) fn has_forbidden_header(&self) -> bool {
        matches!(&self.recorder, Recorder::Frames(scanner) if scanner.has_forbidden_header())
    }

    /// Records or scans bytes.
    ///
    /// # Errors
    /// The memory budget has no room for the unfinished message of the client.
    fn record(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.recorder {
            Recorder::Frames(scanner) => {
                scanner.scan(bytes);
                let bytes = SOCKET_BYTES + scanner.unfinished().saturating_sub(READ_BUFFER_BYTES);
                let reserved = self.admitted.memory.try_resize(bytes);
                return reserved.map_err(|error| io::Error::new(io::ErrorKind::OutOfMemory, error));
            }
            Recorder::Heads(heads) => heads.record(bytes),
        }
        Ok(())
    }

    /// Reads and discards data until the client has closed its half or has sent too much.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; DISCARD_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            self.discarded += buffer.filled().len();
            if buffer.filled().is_empty() || self.discarded > MAX_DISCARDED_BYTES {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for RecordingStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.reads >= READS {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.reads = if read.is_pending() { 0 } else { self.reads + 1 };
        ready!(read)?;
        Poll::Ready(self.record(buf.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for RecordingStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closing = Some(Box::pin(tokio::time::sleep(self.close_timeout)));
        }
        if let Some(closing) = &mut self.closing
            && closing.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        self.poll_discard(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
