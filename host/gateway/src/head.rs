//! The names of a request's headers as the client sent them.
//!
//! API Gateway hands header names on as they came; hyper turns them into lower case. So the bytes of a socket's first
//! request head are kept on their way to hyper, and read again for the names.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use tidegate_event::Fields;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::frames::FrameScanner;

/// The largest head, in bytes, of a request: twice API Gateway's 10,240 bytes of headers, and the URL.
pub(crate) const MAX_HEAD_BYTES: usize = 32 << 10;
const END: &[u8] = b"\r\n\r\n";
/// Bytes that a closing socket reads and discards at a time.
const DISCARD_BYTES: usize = 8 << 10;

/// The bytes of the first request head of a socket.
#[derive(Default)]
pub(crate) struct Head(Mutex<Vec<u8>>);

/// A client's socket, with its place among the permitted ones.
///
/// Its shutdown closes the sending half, then reads and discards what the client still sends, until the client closes
/// its half or the time for a close has passed. A socket that is dropped with bytes unread is reset, and a reset can
/// destroy what the client has not read yet, for example a close frame.
pub(crate) struct Client {
    stream: TcpStream,
    observer: Observer,
    linger: Duration,
    /// Set once the sending half is closed.
    lingering: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

/// What a client's bytes are looked through for.
enum Observer {
    Head(Arc<Head>),
    Nothing,
    Frames(FrameScanner),
}

impl Head {
    /// The headers of the first request in the order received, and nothing of later ones.
    pub(crate) fn take(&self) -> Option<Fields> {
        let kept = std::mem::take(&mut *self.kept());
        let end = kept.windows(END.len()).position(|window| window == END)?;
        let text = String::from_utf8_lossy(kept.get(..end)?).into_owned();
        let field = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Some(text.split("\r\n").skip(1).filter_map(field).collect())
    }

    /// Keeps bytes of the head; true when nothing more is to be kept.
    fn keep(&self, new: &[u8]) -> bool {
        let mut kept = self.kept();
        let from = kept.len().saturating_sub(END.len() - 1);
        kept.extend_from_slice(new);
        kept.len() > MAX_HEAD_BYTES
            || kept.get(from..).is_some_and(|tail| tail.windows(END.len()).any(|window| window == END))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What hyper has of the headers, for a request that is not the first of its socket.
pub(crate) fn fields_of(headers: &HeaderMap) -> Fields {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

impl Client {
    /// Wraps a socket whose shutdown may take `linger`.
    pub(crate) fn new(stream: TcpStream, permit: OwnedSemaphorePermit, head: Arc<Head>, linger: Duration) -> Self {
        Self { stream, observer: Observer::Head(head), linger, lingering: None, _permit: permit }
    }

    /// Scans what the client sends from now on as WebSocket frames. `received` is the part that has been read already.
    pub(crate) fn scan_frames(&mut self, received: &[u8]) {
        let mut scanner = FrameScanner::default();
        scanner.scan(received);
        self.observer = Observer::Frames(scanner);
    }

    /// Returns true if the client has sent a frame header that RFC 6455 forbids whatever the limits are.
    pub(crate) fn sent_forbidden_header(&self) -> bool {
        matches!(&self.observer, Observer::Frames(scanner) if scanner.found_forbidden_header())
    }

    fn observe(&mut self, bytes: &[u8]) {
        match &mut self.observer {
            Observer::Frames(scanner) => scanner.scan(bytes),
            Observer::Head(head) if head.keep(bytes) => self.observer = Observer::Nothing,
            Observer::Head(_) | Observer::Nothing => {}
        }
    }

    /// Reads and discards until the client has closed its half.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; DISCARD_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.observe(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TCP socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.lingering = Some(Box::pin(tokio::time::sleep(self.linger)));
        }
        if let Some(lingering) = &mut self.lingering
            && lingering.as_mut().poll(cx).is_ready()
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
