//! AWS on this machine, over HTTP: DynamoDB, S3, Parameter Store and `@connections` on one port, and their failures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};
use tidegate_aws::{ReleaseTables, Tables};
use tidegate_dynamodb_embedded::{Embedded, connector};
use tidegate_lambda_emulator::{Server, server};
use tokio::sync::watch;

/// The access key of the requests.
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

/// The bucket of releases.
pub(crate) const BUCKET: &str = "bucket-of-releases";

/// The tables of releases.
pub(crate) fn release_tables() -> ReleaseTables {
    ReleaseTables { releases: "releases".to_owned(), release_status: "release-status".to_owned() }
}

/// The state of AWS, as tests read and change it.
pub(crate) struct Aws {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    aws: tidegate_lambda_emulator::Aws,
    /// The status of every answer of DynamoDB, if the test makes it fail.
    dynamodb_fails: Mutex<Option<(u16, &'static str)>>,
    /// The status of every answer of Parameter Store, if the test makes it fail.
    parameters_fail: Mutex<Option<(u16, &'static str)>>,
    /// The status of every answer of S3, if the test makes it fail.
    objects_fail: Mutex<Option<u16>>,
    /// The objects of the one bucket, by their path.
    objects: Mutex<BTreeMap<String, Bytes>>,
    open: Mutex<BTreeSet<String>>,
    /// Messages by their connection, in order.
    posts: watch::Sender<Vec<(String, Vec<u8>)>>,
    /// The number of requests for each connection.
    looks: watch::Sender<usize>,
    traces: Mutex<BTreeSet<String>>,
}

impl Aws {
    pub(crate) async fn start() -> Self {
        let database = Embedded::memory().unwrap();
        let client = tidegate_aws::dynamodb::client::local(database.http_client());
        Tables::default().create_missing(&client).await.unwrap();
        release_tables().create_missing(&client).await.unwrap();
        let dynamodb = connector::Client::new(database).connector();
        let credentials = Credentials::new(ACCESS_KEY_ID, "secret", Some("token".to_owned()), None, "test");
        let shared = Arc::new(Shared {
            aws: tidegate_lambda_emulator::Aws::new(dynamodb, "eu-west-1", credentials),
            dynamodb_fails: Mutex::default(),
            parameters_fail: Mutex::default(),
            objects_fail: Mutex::default(),
            objects: Mutex::default(),
            open: Mutex::default(),
            posts: watch::Sender::default(),
            looks: watch::Sender::default(),
            traces: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        let server = Server::start(move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        });
        Self { server: server.await.unwrap(), shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Opens a connection's socket.
    pub(crate) fn open(&self, id: &str) {
        self.shared.open.lock().unwrap().insert(id.to_owned());
    }

    /// Returns the messages that were posted to a connection.
    pub(crate) fn posts(&self, id: &str) -> Vec<Vec<u8>> {
        self.shared.posts.borrow().iter().filter(|(to, _)| to == id).map(|(_, body)| body.clone()).collect()
    }

    /// Waits until a connection was requested.
    pub(crate) async fn looked_for(&self) {
        self.shared.looks.subscribe().wait_for(|looks| *looks > 0).await.unwrap();
    }

    pub(crate) fn set_parameter(&self, name: &str, value: &str) {
        self.shared.aws.set_parameter(name, value);
    }

    pub(crate) fn fail_parameters(&self, how: Option<(u16, &'static str)>) {
        *self.shared.parameters_fail.lock().unwrap() = how;
    }

    pub(crate) fn fail_objects(&self, status: Option<u16>) {
        *self.shared.objects_fail.lock().unwrap() = status;
    }

    pub(crate) fn fail_dynamodb(&self, how: Option<(u16, &'static str)>) {
        *self.shared.dynamodb_fails.lock().unwrap() = how;
    }

    /// Closes every connection that clients keep, and returns their number.
    pub(crate) async fn hang_up(&self) -> usize {
        self.server.close_connections().await
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
        let target = parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap());
        let service = match target {
            Some(target) if target.starts_with("DynamoDB_20120810.") => "dynamodb",
            Some(_) => "ssm",
            None if parts.uri.path().starts_with(&format!("/{BUCKET}/")) => "s3",
            None => "execute-api",
        };
        let signed = parts.headers["authorization"].to_str().unwrap();
        assert!(signed.contains(&format!("/eu-west-1/{service}/aws4_request")), "{signed}");
        match service {
            "dynamodb" => self.unless(&self.dynamodb_fails, &parts, body).await,
            "ssm" => {
                assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["WithDecryption"], true);
                self.unless(&self.parameters_fail, &parts, body).await
            }
            "s3" => self.object(&parts, body),
            _ => self.connections(&parts.method, parts.uri.path(), &body),
        }
    }

    /// Returns AWS's answer, or the failure that the test asked for.
    async fn unless(&self, fails: &Mutex<Option<(u16, &str)>>, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        let fails = *fails.lock().unwrap();
        match fails {
            Some((status, kind)) => answer(status, json!({ "__type": kind, "message": "injected" }).to_string()),
            None => self.aws.answer(parts, body).await,
        }
    }

    fn object(&self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        if let Some(status) = *self.objects_fail.lock().unwrap() {
            return answer(status, "<Error><Code>InternalError</Code></Error>");
        }
        let mut objects = self.objects.lock().unwrap();
        let found = objects.get(parts.uri.path()).cloned();
        match (parts.method.as_str(), found) {
            ("GET", Some(object)) => answer(200, object),
            ("HEAD", Some(_)) => answer(200, ""),
            ("GET", None) => answer(404, "<Error><Code>NoSuchKey</Code></Error>"),
            ("HEAD", None) => answer(404, ""),
            ("PUT", None) => {
                objects.insert(parts.uri.path().to_owned(), body);
                answer(200, "")
            }
            ("PUT", Some(_)) => answer(412, "<Error><Code>PreconditionFailed</Code></Error>"),
            other => panic!("unexpected {other:?}"),
        }
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
    server::json(StatusCode::from_u16(status).unwrap(), body)
}
