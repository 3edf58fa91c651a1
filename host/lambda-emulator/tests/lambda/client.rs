//! A client that writes its requests by hand, so they can be malformed.

use tokio::io::{AsyncBufReadExt as _, Lines};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::soon;

/// One connection to a server at `address` or `http://address/path`.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    address: String,
    /// The path before the path of each request, without a slash at its end.
    prefix: String,
}

/// An answer, with header names in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(endpoint: &str) -> Self {
        let endpoint = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let (address, path) = endpoint.split_once('/').unwrap_or((endpoint, ""));
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        let stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        Self { stream, address: address.to_owned(), prefix }
    }

    /// Returns the head of a request up to its last header.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &str) -> String {
        let Self { address, prefix, .. } = self;
        format!("{method} {prefix}{path} HTTP/1.1\r\nHost: {address}\r\n{headers}")
    }

    /// Sends a request, without waiting for its answer.
    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("{}Content-Length: {length}\r\n\r\n", self.head(method, path, headers));
        self.write(head.as_bytes()).await;
        self.write(body).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// Reads an answer.
    pub(crate) async fn receive(&mut self) -> Answer {
        soon(async {
            let mut lines: Lines<_> = (&mut self.stream).lines();
            let status = lines.next_line().await.unwrap().expect("the connection was closed");
            let status = status.split(' ').nth(1).unwrap().parse().unwrap();
            let mut headers = Vec::new();
            while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
                let (name, value) = line.split_once(": ").unwrap();
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let mut answer = Answer { status, headers, body: String::new() };
            let mut body = vec![0; answer.header("content-length").parse().unwrap()];
            self.stream.read_exact(&mut body).await.unwrap();
            answer.body = String::from_utf8(body).unwrap();
            answer
        })
        .await
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.send(method, path, headers, body).await;
        self.receive().await
    }

    /// Returns true if the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        soon(self.stream.read(&mut [0])).await.unwrap() == 0
    }
}

impl Answer {
    /// Returns a header, which must be present.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no `{name}` in {self:?}")).1
    }
}
