//! AWS on this machine, over HTTP: the embedded DynamoDB, `@connections` and Parameter Store on one port.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidegate_aws::Tables;
use tidegate_embedded::{Embedded, connector};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the tests see of AWS.
pub(crate) struct Aws {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    dynamodb: SharedHttpConnector,
    /// The status of every answer of DynamoDB, when it is to fail.
    dynamodb_fails: Mutex<Option<(u16, &'static str)>>,
    parameters: Mutex<BTreeMap<String, String>>,
    /// The status of every answer of Parameter Store, when it is to fail.
    parameters_fail: Mutex<Option<(u16, &'static str)>>,
    open: Mutex<BTreeSet<String>>,
    /// Messages by their connection, in order.
    posts: watch::Sender<Vec<(String, Vec<u8>)>>,
    /// How many times a connection was looked for.
    looks: watch::Sender<usize>,
    traces: Mutex<BTreeSet<String>>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let database = Embedded::memory().unwrap();
        let client = tidegate_aws::client::local(database.http_client());
        Tables::default().create_missing(&client).await.unwrap();
        let shared = Arc::new(Shared {
            dynamodb: connector::Client::new(database).connector(),
            dynamodb_fails: Mutex::default(),
            parameters: Mutex::default(),
            parameters_fail: Mutex::default(),
            open: Mutex::default(),
            posts: watch::Sender::default(),
            looks: watch::Sender::default(),
            traces: Mutex::default(),
            connections: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let connection = tokio::spawn(async { drop(connection.await) });
                serving.connections.lock().unwrap().push(connection);
            }
        });
        Self { url, shared }
    }

    /// Opens a connection's socket.
    pub(crate) fn open(&self, id: &str) {
        self.shared.open.lock().unwrap().insert(id.to_owned());
    }

    /// What was posted to a connection.
    pub(crate) fn posts(&self, id: &str) -> Vec<Vec<u8>> {
        self.shared.posts.borrow().iter().filter(|(to, _)| to == id).map(|(_, body)| body.clone()).collect()
    }

    /// Waits until somebody has looked for a connection.
    pub(crate) async fn looked_for(&self) {
        self.shared.looks.subscribe().wait_for(|looks| *looks > 0).await.unwrap();
    }

    pub(crate) fn set_parameter(&self, name: &str, value: &str) {
        self.shared.parameters.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn fail_parameters(&self, how: Option<(u16, &'static str)>) {
        *self.shared.parameters_fail.lock().unwrap() = how;
    }

    pub(crate) fn fail_dynamodb(&self, how: Option<(u16, &'static str)>) {
        *self.shared.dynamodb_fails.lock().unwrap() = how;
    }

    /// Closes every connection that clients keep, and says how many there were. When it returns, the kernel has told the
    /// clients, whether or not they have looked: on a busy machine the end of a connection is overtaken by what is sent
    /// on another.
    pub(crate) async fn hang_up(&self) -> usize {
        let connections = std::mem::take(&mut *self.shared.connections.lock().unwrap());
        let open = connections.iter().filter(|connection| !connection.is_finished()).count();
        for connection in connections {
            connection.abort();
            // Once the task is gone, so is its socket.
            let _ = connection.await;
        }
        while self.has_established_clients() {
            tokio::task::yield_now().await;
        }
        open
    }

    /// Whether the kernel knows a socket whose other end is this server and that is established.
    fn has_established_clients(&self) -> bool {
        let (_, port) = self.url.rsplit_once(':').unwrap();
        let server = format!(" 0100007F:{:04X} 01 ", port.parse::<u16>().unwrap());
        std::fs::read_to_string("/proc/net/tcp").unwrap().lines().any(|line| {
            // Local address, remote address, state; those of the server itself have its port as the local one.
            line.contains(&server)
        })
    }

    /// The traces that requests came with.
    pub(crate) fn traces(&self) -> BTreeSet<String> {
        self.shared.traces.lock().unwrap().clone()
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if let Some(trace) = parts.headers.get("x-amzn-trace-id") {
            self.traces.lock().unwrap().insert(trace.to_str().unwrap().to_owned());
        }
        let target = parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap().to_owned());
        let signed = parts.headers["authorization"].to_str().unwrap().to_owned();
        match target {
            Some(target) if target.starts_with("DynamoDB_20120810.") => {
                assert!(signed.contains("/eu-west-1/dynamodb/aws4_request"), "{signed}");
                self.dynamodb(&target, body).await
            }
            Some(target) => {
                assert_eq!(target, "AmazonSSM.GetParameters");
                assert!(signed.contains("/eu-west-1/ssm/aws4_request"), "{signed}");
                self.parameters(&serde_json::from_slice(&body).unwrap())
            }
            None => {
                assert!(signed.contains("/eu-west-1/execute-api/aws4_request"), "{signed}");
                self.connections(&parts.method, parts.uri.path(), &body)
            }
        }
    }

    async fn dynamodb(&self, target: &str, body: Bytes) -> Response<Full<Bytes>> {
        let fails = *self.dynamodb_fails.lock().unwrap();
        if let Some((status, kind)) = fails {
            return answer(status, json!({ "__type": kind, "message": "injected" }).to_string());
        }
        let mut request = HttpRequest::new(SdkBody::from(body.to_vec()));
        request.headers_mut().insert("x-amz-target", target.to_owned());
        let given = self.dynamodb.call(request).await.unwrap();
        answer(given.status().as_u16(), given.body().bytes().unwrap().to_vec())
    }

    fn parameters(&self, request: &Value) -> Response<Full<Bytes>> {
        let fails = *self.parameters_fail.lock().unwrap();
        if let Some((status, kind)) = fails {
            return answer(status, json!({ "__type": kind, "message": "injected" }).to_string());
        }
        assert_eq!(request["WithDecryption"], true);
        let parameters = self.parameters.lock().unwrap();
        let names: Vec<&str> = request["Names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.len() <= 10);
        let (found, missing): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| parameters.contains_key(*name));
        let found: Vec<_> = found.into_iter().map(|name| json!({ "Name": name, "Value": parameters[name] })).collect();
        answer(200, json!({ "Parameters": found, "InvalidParameters": missing }).to_string())
    }

    fn connections(&self, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let id = path.strip_prefix("/dev/@connections/").or_else(|| path.strip_prefix("/dev/%40connections/"));
        let id = id.expect(path).replace("%3D", "=");
        let open = self.open.lock().unwrap().contains(&id);
        self.looks.send_modify(|looks| *looks += 1);
        match method.as_str() {
            _ if !open => answer(410, "{}"),
            "GET" => answer(
                200,
                json!({
                    "connectedAt": "2026-01-02T03:04:05Z",
                    "identity": { "sourceIp": "192.0.2.7", "userAgent": "probe/1" },
                    "lastActiveAt": "2026-01-02T03:04:05Z",
                })
                .to_string(),
            ),
            "POST" => {
                self.posts.send_modify(|posts| posts.push((id, body.to_vec())));
                answer(200, "")
            }
            other => panic!("unexpected {other}"),
        }
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}
