//! WebSocket clients, HTTP answers, and error frames.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tidegate_event::ConnectionId;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::harness::soon;

/// A client's side of a socket.
pub(crate) struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub id: ConnectionId,
    /// The `$connect` event.
    pub connect: Value,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Returns the name of the error, as AWS SDKs read it.
    pub(crate) fn error(&self) -> &str {
        self.headers["x-amzn-errortype"].to_str().unwrap()
    }
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        soon(self.socket.send(Message::text(text))).await.expect("the socket is open");
    }

    /// Returns the next frame that is not a pong.
    pub(crate) async fn frame(&mut self) -> Option<Result<Message, Error>> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Pong(_))) => {}
                frame => return frame,
            }
        }
    }

    /// Returns the next frame, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// Sends a ping and waits for its pong. The gateway has processed all earlier frames by its pong.
    pub(crate) async fn ping(&mut self) {
        soon(self.socket.send(Message::Ping(Bytes::from_static(b"there?")))).await.expect("the socket is open");
        match soon(self.socket.next()).await {
            Some(Ok(Message::Pong(data))) => assert_eq!(data.as_ref(), b"there?"),
            other => panic!("expected a pong, found {other:?}"),
        }
    }

    /// Returns the next frame, which must be a close frame.
    pub(crate) async fn close_frame(&mut self) -> Option<CloseFrame> {
        match self.frame().await {
            Some(Ok(Message::Close(frame))) => frame,
            other => panic!("expected a close frame, found {other:?}"),
        }
    }

    /// Returns the code of the next frame, which must be a close frame.
    pub(crate) async fn close_code(&mut self) -> u16 {
        self.close_frame().await.expect("the close frame has a code").code.into()
    }

    /// Reads until the gateway has closed the socket.
    pub(crate) async fn wait_for_end(mut self) {
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
    }
}

/// Returns the expected error frame of a message, with the request id of `text`.
pub(crate) fn error_frame(message: &str, client: &Client, text: &str) -> String {
    let request_id = serde_json::from_str::<Value>(text).expect("the frame is JSON")["requestId"].clone();
    let id = &client.id;
    let request_id = request_id.as_str().expect("the frame has a request id");
    format!(r#"{{"message": "{message}", "connectionId":"{id}", "requestId":"{request_id}"}}"#)
}
