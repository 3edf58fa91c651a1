//! WASI 0.2 without authority: no arguments, environment, files or sockets; output goes to the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView};

use crate::context::EventContext;
use crate::guest_log::{GuestLog, Stream};

/// The maximum number of random bytes per call. A seed takes 16 to 32 bytes.
const MAX_RANDOM_BYTES: u64 = 64 << 10;
/// The maximum number of bytes that a guest may write to a stream at once.
const WRITE_BYTES: usize = 4_096;

/// The WASI context of one event. It is created at the first call, because most routes never call WASI.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    log: Arc<GuestLog>,
}

impl Wasi {
    /// Creates a context without authority. Output of the guest is logged as output of this event.
    pub(crate) fn new(event: Arc<EventContext>) -> Self {
        let log = Arc::new(GuestLog::new(event));
        let mut builder = WasiCtx::builder();
        builder
            .stdout(Output { log: Arc::clone(&log), stream: Stream::Stdout })
            .stderr(Output { log: Arc::clone(&log), stream: Stream::Stderr })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MAX_RANDOM_BYTES);
        Self { ctx: builder.build(), log }
    }

    /// Returns the view that Wasmtime's WASI functions work on.
    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiCtxView<'a> {
        WasiCtxView { ctx: &mut self.ctx, table }
    }
}

impl Drop for Wasi {
    fn drop(&mut self) {
        // The last line may lack a line feed, and it may explain a trap.
        self.log.finish();
    }
}

/// One of the two output streams.
#[derive(Clone)]
struct Output {
    log: Arc<GuestLog>,
    stream: Stream,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
