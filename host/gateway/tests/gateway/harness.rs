//! A running gateway with scripted functions.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidegate_app::IdentitySource;
use tidegate_event::{ConnectionId, RouteKey, SelectionExpression, Timestamp};
use tidegate_gateway::{
    Access, ApiConfig, AuthorizerConfig, Clock, Function, Gateway, Limits, RouteConfig, SocketTable,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::client::{Answer, Client};
use crate::script::{Action, Script, ScriptedInvoke};
use crate::signing;

/// The time after which a test has failed.
const TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const STARTED: Timestamp = Timestamp(1_700_000_000_000);

/// Runs a future, and fails the test instead of waiting forever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future).await.expect("the future completes in time")
}

/// A gateway that has not started.
pub(crate) struct Setup {
    pub api: ApiConfig,
    pub limits: Limits,
    pub access: Access,
    script: Script,
}

/// Sets up an API with these routes. A `?` at the end of a route key gives it a route response. Every function replies
/// with status 200 and no body.
pub(crate) fn setup(routes: &[&str]) -> Setup {
    let route = |name: &&str| {
        let key = RouteKey::new(name.trim_end_matches('?')).unwrap();
        (key, RouteConfig { response: name.ends_with('?') })
    };
    Setup {
        api: ApiConfig {
            api_id: "a1b2c3".to_owned(),
            stage: "dev".to_owned(),
            region: signing::REGION.to_owned(),
            account: "123456789012".to_owned(),
            domain_name: None,
            selection: SelectionExpression::parse("$request.body.action").unwrap(),
            routes: routes.iter().map(route).collect::<BTreeMap<_, _>>(),
            authorizer: None,
            stage_variables: Vec::new(),
        },
        limits: Limits::default(),
        access: Access { keys: signing::keys(), ..Access::default() },
        script: Box::new(|_, _| Action::status(200)),
    }
}

impl Setup {
    /// Scripts the integration by event.
    pub(crate) fn handler(self, script: impl Fn(&Value) -> Action + Send + Sync + 'static) -> Self {
        let script = move |function, event: &Value| match function {
            Function::Handler => script(event),
            Function::Authorizer => Action::allow(event, json!({})),
        };
        Self { script: Box::new(script), ..self }
    }

    /// Scripts the integration by the body of a message. `$connect` and `$disconnect` reply with status 200.
    pub(crate) fn messages(self, script: impl Fn(&str) -> Action + Send + Sync + 'static) -> Self {
        self.handler(move |event| event["body"].as_str().map_or(Action::status(200), &script))
    }

    /// Scripts an authorizer with these identity sources.
    pub(crate) fn authorizer(
        mut self,
        sources: &[IdentitySource],
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

    pub(crate) fn access(mut self, change: impl FnOnce(&mut Access)) -> Self {
        change(&mut self.access);
        self
    }

    pub(crate) async fn start(self) -> Harness {
        let (sender, events) = mpsc::unbounded_channel();
        let clock = Clock::manual(STARTED);
        let sockets = SocketTable::new(self.limits, clock.clone());
        let invoke = Arc::new(ScriptedInvoke { script: self.script, events: sender });
        let gateway = Gateway::new(self.api, self.access, Arc::clone(&sockets), invoke);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(tidegate_gateway::run(listener, Arc::clone(&gateway), async {
            let _ = stopped.await;
        }));
        Harness {
            port,
            clock,
            sockets,
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
    pub sockets: Arc<SocketTable>,
    pub gateway: Arc<Gateway>,
    events: Mutex<mpsc::UnboundedReceiver<(Function, Value)>>,
    stop: std::sync::Mutex<Option<oneshot::Sender<()>>>,
    server: JoinHandle<()>,
}

impl Harness {
    /// Returns the next invocation.
    pub(crate) async fn invocation(&self) -> (Function, Value) {
        soon(async { self.events.lock().await.recv().await }).await.expect("the gateway runs")
    }

    /// Returns the event of the next invocation, which must be of the integration.
    pub(crate) async fn event(&self) -> Value {
        let (function, event) = self.invocation().await;
        assert_eq!(function, Function::Handler, "{event}");
        event
    }

    /// Returns true if no invocation is left to be returned.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.events.lock().await.is_empty()
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = soon(TcpStream::connect(("127.0.0.1", self.port))).await.expect("the port listens");
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Returns an upgrade request with additional headers.
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

    /// Connects a client, and takes its `$connect` event. No other client may connect at the same time.
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

    /// Sends an upgrade request and returns the answer.
    pub(crate) async fn handshake(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (parts, ()) = self.upgrade(path, headers).into_parts();
        let uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        let mut request = Request::from_parts(parts, Bytes::new());
        *request.uri_mut() = uri;
        self.request(request).await
    }

    /// Sends an HTTP request and returns the answer.
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

    /// Returns the value of `Host`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns a request to @connections without a signature.
    pub(crate) fn unsigned(&self, method: Method, id: &str, body: impl Into<Bytes>) -> Request<Bytes> {
        let uri = format!("/dev/@connections/{}", id.replace('=', "%3D"));
        Request::builder().method(method).uri(uri).header("Host", self.host()).body(body.into()).unwrap()
    }

    /// Sends a signed request to @connections and returns the answer.
    pub(crate) async fn management(&self, method: Method, id: &str, body: impl Into<Bytes>) -> Answer {
        self.request(signing::signed(self.unsigned(method, id, body))).await
    }

    /// Asks the gateway to stop.
    pub(crate) fn stop(&self) {
        self.stop
            .lock()
            .unwrap()
            .take()
            .expect("the gateway was not stopped before")
            .send(())
            .expect("the gateway runs");
    }

    /// Waits until the gateway has stopped.
    pub(crate) async fn stopped(&mut self) {
        soon(&mut self.server).await.expect("the gateway does not panic");
    }
}
