//! The conformance suite of the Messaging port, over real sockets.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use serde_json::Value;
use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::Messaging;
use tidegate_ports_testing::messaging::{self, Backend, Beginning};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::Client;
use crate::harness::{Harness, setup, soon};
use crate::script::Action;

struct Sockets {
    gateway: Harness,
    /// The decision that the next `$connect` waits for, if it is to wait.
    next: Arc<Mutex<Option<oneshot::Receiver<Action>>>>,
}

#[tokio::test]
async fn the_gateway_implements_the_messaging_port() {
    let next: Arc<Mutex<Option<oneshot::Receiver<Action>>>> = Arc::default();
    let decisions = Arc::clone(&next);
    let script = move |_: &Value| decisions.lock().unwrap().take().map_or(Action::status(200), Action::Ask);
    let gateway = setup(&["$connect"]).handler(script).start().await;
    messaging::run(&Sockets { gateway, next }).await;
}

#[async_trait]
impl Backend for Sockets {
    fn messaging(&self) -> &dyn Messaging {
        self.gateway.sockets.as_ref()
    }

    async fn connect(&self) -> Box<dyn messaging::Client> {
        let client = self.gateway.connect().await;
        Box::new(Connected { gateway: Arc::clone(&self.gateway.sockets), client })
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
        Box::new(Waiting { gateway: Arc::clone(&self.gateway.sockets), id, connect, decide, opened })
    }

    fn unknown(&self) -> ConnectionId {
        ConnectionId::new("L0SM9cOFvHcCIhw=").unwrap()
    }
}

struct Connected {
    gateway: Arc<tidegate_gateway::SocketTable>,
    client: Client,
}

#[async_trait]
impl messaging::Client for Connected {
    fn id(&self) -> ConnectionId {
        self.client.id.clone()
    }

    async fn receive(&mut self) -> Option<Payload> {
        match self.client.frame().await? {
            Ok(Message::Text(text)) => Some(Payload::Text(text.as_str().to_owned())),
            Ok(Message::Binary(bytes)) => Some(Payload::Binary(bytes.to_vec())),
            _ => None,
        }
    }

    async fn leave(self: Box<Self>) {
        let Self { gateway, mut client } = *self;
        client.socket.close(None).await.unwrap();
        // The gateway refuses further messages before it answers the close frame.
        while let Some(Ok(_)) = soon(client.socket.next()).await {}
        drop(gateway);
    }
}

type Opened = Result<WebSocketStream<tokio::net::TcpStream>, Error>;

struct Waiting {
    gateway: Arc<tidegate_gateway::SocketTable>,
    id: ConnectionId,
    connect: Value,
    decide: oneshot::Sender<Action>,
    opened: oneshot::Receiver<Opened>,
}

#[async_trait]
impl Beginning for Waiting {
    fn id(&self) -> ConnectionId {
        self.id.clone()
    }

    async fn accept(self: Box<Self>) -> Box<dyn messaging::Client> {
        self.decide.send(Action::status(200)).ok().expect("$connect waits");
        let socket = soon(self.opened).await.unwrap().expect("the client is accepted");
        let client = Client { socket, id: self.id, connect: self.connect };
        Box::new(Connected { gateway: self.gateway, client })
    }

    async fn refuse(self: Box<Self>) {
        self.decide.send(Action::status(403)).ok().expect("$connect waits");
        let refused = soon(self.opened).await.unwrap();
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 403));
    }
}
