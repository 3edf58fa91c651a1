//! The conformance suite of the Messaging port, through the gateway's `@connections` over HTTP.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use serde_json::Value;
use tidegate_aws::{Account, ConnectionsMessaging, Transport};
use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::Messaging;
use tidegate_ports_testing::messaging::{self, Backend, Beginning};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Client;
use crate::harness::{Harness, setup, soon};
use crate::script::Action;

struct OverHttp {
    gateway: Harness,
    messaging: ConnectionsMessaging,
    /// The answer to the next `$connect`, if the test decides it.
    next: Arc<Mutex<Option<oneshot::Receiver<Action>>>>,
}

#[tokio::test]
async fn connections_over_http_conform_to_the_messaging_port() {
    let next: Arc<Mutex<Option<oneshot::Receiver<Action>>>> = Arc::default();
    let pending = Arc::clone(&next);
    let script = move |_: &Value| pending.lock().unwrap().take().map_or(Action::status(200), Action::Ask);
    let gateway = setup(&["$connect"]).handler(script).start().await;
    let account = Account::new(Transport::new().unwrap(), "eu-west-1", "AKIDEXAMPLE", "secret", None);
    let messaging = account.messaging(&format!("http://127.0.0.1:{}/dev", gateway.port));
    messaging::run(&OverHttp { gateway, messaging, next }).await;
}

#[async_trait]
impl Backend for OverHttp {
    fn messaging(&self) -> &dyn Messaging {
        &self.messaging
    }

    async fn connect(&self) -> Box<dyn messaging::Client> {
        Box::new(Connected(self.gateway.connect().await))
    }

    async fn begin(&self) -> Box<dyn Beginning> {
        let (decide, decision) = oneshot::channel();
        *self.next.lock().unwrap() = Some(decision);
        let request = self.gateway.upgrade("/dev", &[]);
        let stream = self.gateway.tcp().await;
        let (done, opened) = oneshot::channel();
        tokio::spawn(async move {
            done.send(tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket))
        });
        let connect = self.gateway.event().await;
        let id = ConnectionId::new(connect["requestContext"]["connectionId"].as_str().unwrap()).unwrap();
        Box::new(Waiting { id, connect, decide, opened })
    }

    fn unknown(&self) -> ConnectionId {
        ConnectionId::new("L0SM9cOFvHcCIhw=").unwrap()
    }
}

struct Connected(Client);

#[async_trait]
impl messaging::Client for Connected {
    fn id(&self) -> ConnectionId {
        self.0.id.clone()
    }

    async fn receive(&mut self) -> Option<Payload> {
        match self.0.frame().await? {
            Ok(Message::Text(text)) => Some(Payload::Text(text.as_str().to_owned())),
            Ok(Message::Binary(bytes)) => Some(Payload::Binary(bytes.to_vec())),
            _ => None,
        }
    }

    async fn leave(mut self: Box<Self>) {
        self.0.socket.close(None).await.unwrap();
        // The gateway answers the close frame after it has stopped accepting messages.
        while let Some(Ok(_)) = soon(self.0.socket.next()).await {}
    }
}

struct Waiting {
    id: ConnectionId,
    connect: Value,
    decide: oneshot::Sender<Action>,
    opened: oneshot::Receiver<Result<WebSocketStream<TcpStream>, Error>>,
}

#[async_trait]
impl Beginning for Waiting {
    fn id(&self) -> ConnectionId {
        self.id.clone()
    }

    async fn accept(self: Box<Self>) -> Box<dyn messaging::Client> {
        self.decide.send(Action::status(200)).ok().expect("$connect waits");
        let socket = soon(self.opened).await.unwrap().expect("the connection opens");
        Box::new(Connected(Client { socket, id: self.id, connect: self.connect }))
    }

    async fn refuse(self: Box<Self>) {
        self.decide.send(Action::status(403)).ok().expect("$connect waits");
        let refused = soon(self.opened).await.unwrap();
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 403));
    }
}
