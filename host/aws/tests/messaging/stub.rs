//! An `@connections` endpoint whose answers a test defines.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidegate_aws::{Account, ConnectionsMessaging, Transport};
use tidegate_event::{ConnectionId, Payload};
use tidegate_ports::Deadline;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A part of every error message of the stub. No error of the port may contain it.
pub(crate) const SECRET: &str = "arn:aws:execute-api:secret";

/// The reaction of the stub to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    Status(u16),
    Body(u16, &'static str),
    /// Answers when a permit is available.
    Wait(Arc<Semaphore>),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Break,
    /// Sends bytes that are not HTTP.
    Noise,
}

/// A received request: the method, the body and the connection id.
pub(crate) type Seen = (String, String, String);

type Script = Box<dyn Fn(usize, &Seen) -> Answer + Send + Sync>;

pub(crate) struct Stub {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    /// The current and the largest number of concurrent requests.
    load: Mutex<(usize, usize)>,
}

impl Stub {
    /// Starts a stub. `script` returns the reaction to the request with this number and content.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dev", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { script: Box::new(script), seen: Mutex::default(), load: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, shared }
    }

    /// Starts a stub with the same reaction to every request.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    pub(crate) fn messaging(&self) -> ConnectionsMessaging {
        let account = Account::new(Transport::new().unwrap(), "eu-west-1", "AKIDEXAMPLE", "secret", Some("token"));
        account.messaging(&self.url)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|(seen, ..)| seen == method).count()
    }

    /// Returns the largest number of concurrent requests.
    pub(crate) fn most(&self) -> usize {
        self.shared.load.lock().unwrap().1
    }
}

async fn serve(stream: tokio::net::TcpStream, shared: Arc<Shared>) {
    // `Answer::Noise` and `Answer::Break` use the socket directly, without hyper.
    let raw = Arc::new(stream.into_std().unwrap());
    let stream = tokio::net::TcpStream::from_std(raw.try_clone().unwrap()).unwrap();
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), Arc::clone(&raw)));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    raw: Arc<std::net::TcpStream>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.headers()["authorization"].to_str().unwrap().contains("/eu-west-1/execute-api/aws4_request"));
    assert_eq!(request.headers()["x-amz-security-token"], "token");
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let id = path.strip_prefix("/dev/@connections/").or_else(|| path.strip_prefix("/dev/%40connections/"));
    let id = id.expect(&path).replace("%3D", "=");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let seen = (method, String::from_utf8(body.to_vec()).unwrap(), id);
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    let _load = Load::new(&shared);
    let (status, body) = match (shared.script)(number, &seen) {
        Answer::Status(status) => (status, format!(r#"{{"message": "{SECRET}"}}"#)),
        Answer::Body(status, body) => (status, body.to_owned()),
        Answer::Wait(gate) => {
            gate.acquire().await.unwrap().forget();
            (200, String::new())
        }
        Answer::Hang => std::future::pending().await,
        Answer::Break => {
            raw.shutdown(std::net::Shutdown::Both).unwrap();
            std::future::pending().await
        }
        Answer::Noise => {
            let mut stream = tokio::net::TcpStream::from_std(raw.try_clone().unwrap()).unwrap();
            stream.write_all(b"220 this is not HTTP\r\n\r\n").await.unwrap();
            std::future::pending().await
        }
    };
    Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
}

struct Load<'a>(&'a Shared);

impl<'a> Load<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut load = shared.load.lock().unwrap();
        load.0 += 1;
        load.1 = load.1.max(load.0);
        Self(shared)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.load.lock().unwrap().0 -= 1;
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

pub(crate) fn id(number: usize) -> ConnectionId {
    ConnectionId::new(format!("L0SM9cOFvHc{number:04}=")).unwrap()
}

pub(crate) fn ids(count: usize) -> Vec<ConnectionId> {
    (0..count).map(id).collect()
}

pub(crate) fn text(text: &str) -> Payload {
    Payload::Text(text.to_owned())
}
