//! Sockets with small buffers, the same at both ends.

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite::protocol::WebSocketConfig};

/// A WebSocket over plain TCP.
pub type Socket = WebSocketStream<TcpStream>;

/// Size of each buffer in bytes. Tungstenite clears its read buffer at every read, so the benchmarks would measure
/// `memset` with the default of 128 KiB.
pub const BUFFER: usize = 4096;

/// Number of concurrent handshakes.
const HANDSHAKES: usize = 32;

/// Returns the configuration of every socket of the benchmarks.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(BUFFER)
}

/// Opens one connection to a `ws://host:port/path` URL.
///
/// # Errors
/// The URL has a different form, or the server refused the connection.
pub async fn connect(url: &str) -> Result<Socket> {
    let Some(rest) = url.strip_prefix("ws://") else { bail!("`{url}` does not start with `ws://`") };
    let address = rest.split('/').next().unwrap_or(rest);
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to `{address}`"))?;
    stream.set_nodelay(true)?;
    let (socket, _) =
        client_async_with_config(url, stream, Some(config())).await.with_context(|| format!("`{url}` refused"))?;
    Ok(socket)
}

/// Opens `count` connections, with a bounded number of concurrent handshakes.
///
/// # Errors
/// A connection failed.
pub async fn connect_many(url: &str, count: usize) -> Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let batch = HANDSHAKES.min(count - sockets.len());
        let handshakes: Vec<_> = (0..batch)
            .map(|_| {
                let url = url.to_owned();
                tokio::spawn(async move { connect(&url).await })
            })
            .collect();
        for handshake in handshakes {
            let opened = sockets.len();
            sockets.push(handshake.await?.with_context(|| format!("after {opened} connections"))?);
        }
    }
    Ok(sockets)
}
