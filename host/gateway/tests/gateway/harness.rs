//! A gateway on a port of its own, whose functions are scripted, and clients for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidegate_event::{ConnectionId, RouteKey, SelectionExpression, Timestamp};
use tidegate_gateway::{
    ApiConfig, AuthorizerConfig, Clock, Connections, Function, Gateway, Invoke, InvokeError, Limits, RouteConfig,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const STARTED: Timestamp = Timestamp(1_700_000_000_000);
pub(crate) const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=AKID/20260101/local/execute-api/aws4_request, SignedHeaders=host, Signature=0";

/// Fails the test instead of letting it hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("what the test waits for did not happen")
}

/// What a scripted function does with an event.
pub(crate) enum Action {
    /// Answers this JSON.
    Answer(Value),
    /// Answers these bytes.
    Raw(&'static str),
    Fail(InvokeError),
    Panic,
    /// Waits for a permit, then does the rest.
    Wait(Arc<Semaphore>, Box<Action>),
    /// Does what the test says once it says it.
    Ask(oneshot::Receiver<Action>),
}

impl Action {
    /// A reply without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(json!({ "statusCode": status }))
    }

    pub(crate) fn body(body: &str) -> Self {
        Self::Answer(json!({ "statusCode": 200, "body": body }))
    }

    pub(crate) fn error(message: &str) -> Self {
        Self::Fail(InvokeError::FunctionError(tidegate_event::FunctionError {
            error_type: "Error".to_owned(),
            error_message: message.to_owned(),
        }))
    }

    pub(crate) fn allow(event: &Value, context: Value) -> Self {
        Self::Answer(json!({
            "principalId": "ann",
            "policyDocument": { "Version": "2012-10-17", "Statement": [
                { "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"] },
            ] },
            "context": context,
        }))
    }

    pub(crate) fn deny(event: &Value) -> Self {
        Self::Answer(json!({
            "principalId": "ann",
            "policyDocument": { "Version": "2012-10-17", "Statement": [
                { "Action": "execute-api:Invoke", "Effect": "Deny", "Resource": event["methodArn"] },
            ] },
        }))
    }
}

type Script = Box<dyn Fn(Function, &Value) -> Action + Send + Sync>;

struct Scripted {
    script: Script,
    seen: mpsc::UnboundedSender<(Function, Value)>,
}

#[async_trait]
impl Invoke for Scripted {
    async fn invoke(&self, function: Function, event: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        let event: Value = serde_json::from_slice(&event).expect("the event is JSON");
        let mut action = (self.script)(function, &event);
        let _ = self.seen.send((function, event));
        loop {
            action = match action {
                Action::Answer(answer) => return Ok(answer.to_string().into_bytes()),
                Action::Raw(answer) => return Ok(answer.as_bytes().to_vec()),
                Action::Fail(error) => return Err(error),
                Action::Panic => panic!("scripted"),
                Action::Wait(gate, next) => {
                    gate.acquire().await.expect("the gate stays").forget();
                    *next
                }
                Action::Ask(answer) => answer.await.expect("the test says what to do"),
            };
        }
    }
}

/// What a test sets up before the gateway starts.
pub(crate) struct Setup {
    pub api: ApiConfig,
    pub limits: Limits,
    script: Script,
}

/// An API with these routes; those that end in `?` have a route response. Every function answers 200 without a body.
pub(crate) fn setup(routes: &[&str]) -> Setup {
    let route = |name: &&str| {
        let key = RouteKey::new(name.trim_end_matches('?')).unwrap();
        (key, RouteConfig { response: name.ends_with('?') })
    };
    Setup {
        api: ApiConfig {
            api_id: "a1b2c3".to_owned(),
            stage: "dev".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            domain_name: None,
            selection: SelectionExpression::parse("$request.body.action").unwrap(),
            routes: routes.iter().map(route).collect::<BTreeMap<_, _>>(),
            authorizer: None,
            stage_variables: Vec::new(),
        },
        limits: Limits::default(),
        script: Box::new(|_, _| Action::status(200)),
    }
}

impl Setup {
    /// What the integration does with an event.
    pub(crate) fn handler(self, script: impl Fn(&Value) -> Action + Send + Sync + 'static) -> Self {
        let script = move |function, event: &Value| match function {
            Function::Handler => script(event),
            Function::Authorizer => Action::allow(event, json!({})),
        };
        Self { script: Box::new(script), ..self }
    }

    /// What the integration does with a message's body; `$connect` and `$disconnect` answer 200.
    pub(crate) fn messages(self, script: impl Fn(&str) -> Action + Send + Sync + 'static) -> Self {
        self.handler(move |event| event["body"].as_str().map_or(Action::status(200), &script))
    }

    /// An authorizer with these identity sources, and what it does.
    pub(crate) fn authorizer(
        mut self,
        sources: &[tidegate_gateway::IdentitySource],
        script: impl Fn(&Value) -> Action + Send + Sync + 'static,
    ) -> Self {
        self.api.authorizer = Some(AuthorizerConfig { identity_source: sources.to_vec() });
        let handler = self.script;
        self.script = Box::new(move |function, event| match function {
            Function::Handler => handler(function, event),
            Function::Authorizer => script(event),
        });
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn api(mut self, change: impl FnOnce(&mut ApiConfig)) -> Self {
        change(&mut self.api);
        self
    }

    pub(crate) async fn start(self) -> Harness {
        let (seen, events) = mpsc::unbounded_channel();
        let clock = Clock::manual(STARTED);
        let connections = Connections::new(self.limits, clock.clone());
        let invoke = Arc::new(Scripted { script: self.script, seen });
        let gateway = Gateway::new(self.api, Arc::clone(&connections), invoke);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(tidegate_gateway::run(listener, Arc::clone(&gateway), async {
            let _ = stopped.await;
        }));
        Harness {
            port,
            clock,
            connections,
            gateway,
            events: Mutex::new(events),
            stop: std::sync::Mutex::new(Some(stop)),
            server,
        }
    }
}

/// A running gateway.
pub(crate) struct Harness {
    pub port: u16,
    pub clock: Clock,
    pub connections: Arc<Connections>,
    pub gateway: Arc<Gateway>,
    events: Mutex<mpsc::UnboundedReceiver<(Function, Value)>>,
    stop: std::sync::Mutex<Option<oneshot::Sender<()>>>,
    server: JoinHandle<()>,
}

/// A client's side of a socket.
pub(crate) struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub id: ConnectionId,
    /// The event of its `$connect`.
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

    /// The name that AWS SDKs read an error by.
    pub(crate) fn error(&self) -> &str {
        self.headers["x-amzn-errortype"].to_str().unwrap()
    }
}

impl Harness {
    /// The next invocation.
    pub(crate) async fn invocation(&self) -> (Function, Value) {
        soon(async { self.events.lock().await.recv().await }).await.expect("the gateway runs")
    }

    /// The next event, which is for the integration.
    pub(crate) async fn event(&self) -> Value {
        let (function, event) = self.invocation().await;
        assert_eq!(function, Function::Handler, "{event}");
        event
    }

    /// Whether no function was invoked since the last that was asked for.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.events.lock().await.is_empty()
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = soon(TcpStream::connect(("127.0.0.1", self.port))).await.expect("the port listens");
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The upgrade request of a client, with headers more.
    pub(crate) fn upgrade(&self, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(format!("ws://127.0.0.1:{}{path}", self.port))
            .header("Host", format!("127.0.0.1:{}", self.port))
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// Shakes hands as a client; the functions may not be asked by others meanwhile. Needs a `$connect` route.
    pub(crate) async fn connect_to(&self, path: &str, headers: &[(&str, &str)]) -> Client {
        let request = self.upgrade(path, headers);
        let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
        let stream = self.tcp().await;
        let opened = soon(tokio_tungstenite::client_async_with_config(request, stream, Some(config))).await;
        let (socket, _) = opened.expect("the gateway lets the client in");
        let connect = self.event().await;
        let id = ConnectionId::new(connect["requestContext"]["connectionId"].as_str().unwrap()).unwrap();
        Client { socket, id, connect }
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_to("/dev", &[]).await
    }

    /// The answer to an upgrade request.
    pub(crate) async fn shake(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (parts, ()) = self.upgrade(path, headers).into_parts();
        let uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        let mut request = Request::from_parts(parts, Bytes::new());
        *request.uri_mut() = uri;
        self.request(request).await
    }

    /// The answer to an HTTP request.
    pub(crate) async fn request(&self, request: Request<Bytes>) -> Answer {
        let io = TokioIo::new(self.tcp().await);
        let (mut sender, connection) = soon(http1::handshake(io)).await.unwrap();
        let driver = tokio::spawn(connection);
        let answer = soon(sender.send_request(request.map(Full::new))).await.expect("the gateway answers");
        let (parts, body) = answer.into_parts();
        let body = match parts.status {
            StatusCode::SWITCHING_PROTOCOLS => Bytes::new(),
            _ => soon(body.collect()).await.unwrap().to_bytes(),
        };
        drop(sender);
        driver.abort();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A signed request to @connections.
    pub(crate) async fn management(&self, method: Method, id: &str, body: impl Into<Bytes>) -> Answer {
        let id = id.replace('=', "%3D");
        let request = Request::builder()
            .method(method)
            .uri(format!("/dev/@connections/{id}"))
            .header("Host", format!("127.0.0.1:{}", self.port))
            .header("Authorization", SIGNED);
        self.request(request.body(body.into()).unwrap()).await
    }

    /// Tells the gateway to stop.
    pub(crate) fn stop(&self) {
        self.stop.lock().unwrap().take().expect("the gateway was not told yet").send(()).expect("the gateway runs");
    }

    /// Waits until the gateway has stopped.
    pub(crate) async fn stopped(&mut self) {
        soon(&mut self.server).await.expect("the gateway does not panic");
    }
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        soon(self.socket.send(Message::text(text))).await.expect("the socket is open");
    }

    /// The next frame that is not a pong.
    pub(crate) async fn frame(&mut self) -> Option<Result<Message, Error>> {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Pong(_))) => {}
                frame => return frame,
            }
        }
    }

    /// The next message, which is text.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// Waits for the answer to a ping, before which the gateway has written and read all that came earlier.
    pub(crate) async fn ping(&mut self) {
        soon(self.socket.send(Message::Ping(Bytes::from_static(b"there?")))).await.expect("the socket is open");
        match soon(self.socket.next()).await {
            Some(Ok(Message::Pong(data))) => assert_eq!(data.as_ref(), b"there?"),
            other => panic!("expected a pong, found {other:?}"),
        }
    }

    /// The close frame, which is the next.
    pub(crate) async fn close_frame(&mut self) -> Option<CloseFrame> {
        match self.frame().await {
            Some(Ok(Message::Close(frame))) => frame,
            other => panic!("expected a close frame, found {other:?}"),
        }
    }

    /// The code of the close frame, which is the next.
    pub(crate) async fn close_code(&mut self) -> u16 {
        self.close_frame().await.expect("the close frame has a code").code.into()
    }

    /// Waits until the gateway has dropped the socket.
    pub(crate) async fn gone(mut self) {
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
    }
}

/// The error frame of a message.
pub(crate) fn error_frame(problem: &str, client: &Client, text: &str) -> String {
    let request_id = serde_json::from_str::<Value>(text).expect("the frame is JSON")["requestId"].clone();
    let (id, request_id) = (&client.id, request_id.as_str().expect("the frame names the request"));
    format!(r#"{{"message": "{problem}", "connectionId":"{id}", "requestId":"{request_id}"}}"#)
}

/// What is logged on the thread of a test.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
