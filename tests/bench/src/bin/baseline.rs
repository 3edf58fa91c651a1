//! The baseline: a bare WebSocket server. `/echo` returns each message, `/broadcast` sends it to all members.
//!
//! The server parses, checks and stores nothing, so its results show the cost of the sockets alone. It prints its URL
//! on standard output and stops on SIGTERM.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tidegate_bench::socket::{Socket, config};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Capacity of a client's queue, in messages. The load generator has fewer in flight.
const QUEUE: usize = 64;

type Members = Arc<Mutex<HashMap<u64, mpsc::Sender<Utf8Bytes>>>>;

#[tokio::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}", listener.local_addr()?);
    let members = Members::default();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next_id = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                next_id += 1;
                tokio::spawn(serve(accepted?.0, next_id, Arc::clone(&members)));
            }
            _ = terminate.recv() => return Ok(()),
        }
    }
}

// The handshake callback prescribes the error type.
#[allow(clippy::result_large_err)]
async fn serve(stream: TcpStream, id: u64, members: Members) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = None;
    let callback = |request: &Request, response: Response| {
        if request.uri().path() == "/broadcast" {
            // Join before the client learns that it is connected, so the client misses no message.
            inbox = Some(join(id, &members));
        }
        Ok(response)
    };
    let accepted = accept_hdr_async_with_config(stream, callback, Some(config())).await;
    let Some(inbox) = inbox else { return echo(accepted?).await };
    let result = match accepted {
        Ok(socket) => broadcast(socket, inbox, &members).await,
        Err(error) => Err(error.into()),
    };
    members.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    result
}

fn join(id: u64, members: &Members) -> mpsc::Receiver<Utf8Bytes> {
    let (sender, inbox) = mpsc::channel(QUEUE);
    members.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
    inbox
}

async fn echo(mut socket: Socket) -> Result<()> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn broadcast(mut socket: Socket, mut inbox: mpsc::Receiver<Utf8Bytes>, members: &Members) -> Result<()> {
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Text(text)) => send_all(&text, members).await,
                Some(_) => {}
                None => return Ok(()),
            },
            Some(text) = inbox.recv() => {
                socket.feed(Message::Text(text)).await?;
                while let Ok(text) = inbox.try_recv() {
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

/// Sends a message to every member, the sender included. The sender never waits for its own queue: the load
/// generator has fewer messages in flight than a queue holds.
async fn send_all(text: &Utf8Bytes, members: &Members) {
    let inboxes: Vec<_> = members.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    for inbox in inboxes {
        // A member that has just left does not matter.
        inbox.send(text.clone()).await.ok();
    }
}
