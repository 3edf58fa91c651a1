//! WASI 0.2 without authority: no arguments, environment, files or sockets; output goes to the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::guest_log::{GuestLog, Stream};
use crate::state::State;

/// The most random bytes of one call; a seed is 16 to 32.
const MAX_RANDOM_BYTES: u64 = 64 << 10;
/// How many bytes a guest may write to a stream at once.
const WRITE_BYTES: usize = 4_096;

/// What a guest that touches WASI is given. Most routes never do, so it is made at the first call.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    log: Arc<GuestLog>,
}

impl Wasi {
    fn new(log: GuestLog) -> Self {
        let log = Arc::new(log);
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
}

impl Drop for Wasi {
    fn drop(&mut self) {
        // The event is over, however it ended: what the guest wrote last may be the most telling.
        self.log.finish();
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let tags = &self.tags;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(GuestLog::new(tags.clone()))));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut self.table }
    }
}

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
