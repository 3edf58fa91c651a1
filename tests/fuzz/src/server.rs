//! A gateway that records its events, and the client's side of its sockets.
//!
//! Gateway and client share one thread, so a gateway that has nothing to do has done all that it can.

use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use tidegate_event::{Event, Reply, Request, RouteKey, SelectionExpression, Timestamp, decode_request, encode_reply};
use tidegate_gateway::{
    Access, ApiConfig, Caller, Clock, Function, Gateway, Invoke, InvokeError, Limits, RouteConfig, SocketTable,
};
use tidegate_local_access::Keys;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

pub(crate) const STAGE: &str = "dev";
pub(crate) const REGION: &str = "eu-west-1";
/// The handshake of a client without headers of its own.
pub(crate) const HANDSHAKE: &str = "GET /dev HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The number of turns without anything to do after which the gateway is idle.
const IDLE_TURNS: u32 = 40;
/// The time after which the gateway hangs.
const HANGS: Duration = Duration::from_secs(10);

/// The number of panics so far. The gateway survives a panic of a task, so only this number shows it.
static PANICS: AtomicUsize = AtomicUsize::new(0);
static COUNT_PANICS: Once = Once::new();

thread_local! {
    static SERVER: Server = Server::start();
}

/// A gateway with a two-way `$default` route that returns each message.
pub(crate) struct Server {
    runtime: Runtime,
    address: SocketAddr,
    events: Arc<Mutex<Vec<Request>>>,
}

/// The client's side of a socket.
pub(crate) struct Client {
    stream: TcpStream,
    /// The bytes that were received and not taken.
    pub(crate) received: Vec<u8>,
}

/// The head of a response.
pub(crate) struct Head {
    pub(crate) status: u16,
    text: String,
}

/// Runs `work` on the gateway of this thread.
///
/// # Panics
/// A task of the gateway has panicked, or `work` does not end.
pub(crate) fn with_server<F: AsyncFnOnce(&Server)>(work: F) {
    COUNT_PANICS.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            print(panic);
        }));
    });
    SERVER.with(|server| {
        let before = PANICS.load(Ordering::SeqCst);
        let done = server.runtime.block_on(async { tokio::time::timeout(HANGS, work(server)).await });
        done.expect("the gateway ends its work");
        assert_eq!(PANICS.load(Ordering::SeqCst), before, "a task of the gateway has panicked");
    });
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let route = |name: &str, response| (RouteKey::new(name).unwrap(), RouteConfig { response });
        let api = ApiConfig {
            api_id: "a1b2c3".to_owned(),
            stage: STAGE.to_owned(),
            region: REGION.to_owned(),
            account: "123456789012".to_owned(),
            domain_name: None,
            selection: SelectionExpression::parse("$request.body.action").unwrap(),
            routes: [route("$connect", false), route("$disconnect", false), route("$default", true)].into(),
            authorizer: None,
            stage_variables: Vec::new(),
        };
        let access = Access { keys: Keys::new(vec![credentials()]), ..Access::default() };
        // The clock stands still, so no socket is closed because of its age.
        let sockets = SocketTable::new(Limits::default(), Clock::manual(Timestamp(1_700_000_000_000)));
        let gateway = Gateway::new(api, access, sockets, Arc::new(Recorder(Arc::clone(&events))));
        runtime.spawn(tidegate_gateway::run(listener, gateway, pending()));
        Self { runtime, address, events }
    }

    /// Opens a socket.
    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, received: Vec::new() }
    }

    /// Opens a WebSocket without headers of its own.
    pub(crate) async fn open(&self) -> Client {
        let mut client = self.connect().await;
        client.write(HANDSHAKE.as_bytes(), HANDSHAKE.len()).await;
        let (head, length) = Head::read(&client.received).expect("a handshake is answered");
        assert_eq!(head.status, 101);
        client.received.drain(..length);
        client
    }

    /// Takes the events since the last call.
    pub(crate) fn events(&self) -> Vec<Request> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Waits until an event has arrived, and takes all events.
    pub(crate) async fn next_events(&self) -> Vec<Request> {
        while self.events.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        self.events()
    }
}

/// The key that signs calls to `@connections`.
pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "fuzz")
}

/// The port that records every event and returns every message.
struct Recorder(Arc<Mutex<Vec<Request>>>);

#[async_trait]
impl Invoke for Recorder {
    async fn invoke(&self, _: Function, event: Vec<u8>, _: Caller<'_>) -> Result<Vec<u8>, InvokeError> {
        let request = decode_request(&event).expect("an event of the gateway can be decoded");
        let body = match &request.event {
            Event::Message(message) => Some(message.data.clone()),
            _ => None,
        };
        self.0.lock().unwrap().push(request);
        Ok(encode_reply(&Reply { status: 200, headers: Vec::new(), body }))
    }
}

impl Client {
    /// Writes bytes in two parts. The first part has at most `first` bytes, and arrives alone.
    pub(crate) async fn write(&mut self, bytes: &[u8], first: usize) {
        let (before, after) = bytes.split_at(first.min(bytes.len()));
        for part in [before, after] {
            // The gateway may have closed the socket already.
            let _ = self.stream.write_all(part).await;
            self.settle().await;
        }
    }

    /// Receives bytes until the gateway has nothing to do. Returns false if the gateway has closed the socket.
    pub(crate) async fn settle(&mut self) -> bool {
        let mut idle = 0;
        let mut buffer = [0; 4_096];
        while idle < IDLE_TURNS {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    self.received.extend_from_slice(&buffer[..length]);
                    idle = 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => idle += 1,
                Err(_) => return false,
            }
            tokio::task::yield_now().await;
        }
        true
    }

    /// Sends nothing more, and receives until the gateway has closed the socket.
    pub(crate) async fn finish(mut self) -> Vec<u8> {
        let _ = self.stream.shutdown().await;
        while self.settle().await {
            // The gateway waits, so this thread does.
            let _ = self.stream.readable().await;
        }
        self.received
    }
}

impl Head {
    /// Reads the response at the start of the bytes. Returns its head, and the number of its bytes with the body.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&bytes[..end]).expect("a head is text").to_owned();
        let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        let head = Self { status: status.expect("a response has a status"), text };
        let body = head.header("Content-Length").map_or(0, |length| length.parse().expect("a length is a number"));
        Some((head, end + body))
    }

    /// Reads all responses, up to the one that opens a WebSocket.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut heads: Vec<Self> = Vec::new();
        while heads.last().is_none_or(|head| head.status != 101)
            && let Some((head, length)) = Self::read(bytes)
        {
            heads.push(head);
            bytes = bytes.get(length..).unwrap_or_default();
        }
        heads
    }

    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}
