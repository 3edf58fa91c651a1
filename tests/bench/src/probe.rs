//! A client that repeatedly asks a server for its version over one socket, one probe at a time, and reports every
//! change.
//!
//! A probe is a number. A reply is JSON with the `kind` `reply`, the server's `version`, and the probe's number as
//! `sequence`. Messages of another kind are ignored.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::latency::Latencies;
use crate::socket::{Socket, connect};

/// Time limit of a probe. The next probe is sent after the limit.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which a server may refuse connections.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two attempts to connect. Some refusals take longer than this.
const CONNECT_RETRY: Duration = Duration::from_millis(1);

/// A change that the prober reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ProbeEvent {
    /// A socket was opened, either the first or a later one.
    Connected,
    /// The version in a reply differs from the version in the previous reply.
    VersionChanged {
        /// Version of the server.
        version: String,
    },
    /// A probe was answered with something other than a reply.
    Failed {
        /// Text of the message.
        text: String,
    },
    /// A probe was not answered within five seconds.
    TimedOut,
    /// The server ended the socket.
    Disconnected,
}

/// Totals of a prober's run.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Number of probes that were answered.
    pub answers: usize,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// Maximum latency in microseconds.
    pub max_us: f64,
    /// Number of replies to earlier probes: duplicates and late replies.
    pub strays: usize,
}

/// Sends probes and measures their latency.
pub struct Prober<'a> {
    url: &'a str,
    on_event: &'a (dyn Fn(ProbeEvent) + Sync),
    socket: Option<Socket>,
    sequence: u64,
    version: String,
    latencies: Latencies,
    strays: usize,
}

/// The members of a server's message that matter to the prober.
#[derive(Debug, Deserialize)]
struct ServerMessage {
    kind: Option<String>,
    version: Option<String>,
    sequence: Option<u64>,
}

/// Classification of a server's message, for the probe with a given number.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Version(String),
    Stray,
    Failure,
    Other,
}

impl<'a> Prober<'a> {
    /// Creates a prober for the server at a `ws://` URL. The prober calls `on_event` as soon as something changes.
    #[must_use]
    pub fn new(url: &'a str, on_event: &'a (dyn Fn(ProbeEvent) + Sync)) -> Self {
        Self {
            url,
            on_event,
            socket: None,
            sequence: 0,
            version: String::new(),
            latencies: Latencies::default(),
            strays: 0,
        }
    }

    /// Sends the next probe and waits for its reply. Connects first if there is no socket.
    ///
    /// # Errors
    /// The server refuses connections for half a minute.
    pub async fn probe(&mut self) -> Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open().await?,
        };
        self.sequence += 1;
        let began = Instant::now();
        let probe = Message::Text(self.sequence.to_string().into());
        let answered = match socket.send(probe).await {
            Ok(()) => timeout(PROBE_TIMEOUT, self.receive(&mut socket)).await,
            Err(_) => Ok(None),
        };
        match answered {
            Ok(Some(Meaning::Version(version))) => {
                self.latencies.record(began.elapsed());
                if version != self.version {
                    self.version.clone_from(&version);
                    (self.on_event)(ProbeEvent::VersionChanged { version });
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                (self.on_event)(ProbeEvent::Disconnected);
                return Ok(());
            }
            Err(_) => (self.on_event)(ProbeEvent::TimedOut),
        }
        self.socket = Some(socket);
        Ok(())
    }

    /// Closes the socket and returns the totals.
    pub async fn finish(self) -> Totals {
        if let Some(mut socket) = self.socket {
            // A server that has exited has already closed the socket.
            let _ = timeout(PROBE_TIMEOUT, socket.close(None)).await;
        }
        let answers = self.latencies.count();
        let [p50_us, max_us] = self.latencies.percentiles([50.0, 100.0]);
        Totals { answers, p50_us, max_us, strays: self.strays }
    }

    async fn open(&mut self) -> Result<Socket> {
        let began = Instant::now();
        loop {
            match connect(self.url).await {
                Ok(socket) => {
                    (self.on_event)(ProbeEvent::Connected);
                    return Ok(socket);
                }
                Err(error) if began.elapsed() > CONNECT_TIMEOUT => {
                    return Err(error).context("cannot connect for half a minute");
                }
                Err(_) => sleep(CONNECT_RETRY).await,
            }
        }
    }

    /// Receives the reply to the last probe. Returns `None` if the socket has ended.
    async fn receive(&mut self, socket: &mut Socket) -> Option<Meaning> {
        loop {
            let Message::Text(text) = socket.next().await?.ok()? else { continue };
            match classify(&text, self.sequence) {
                Meaning::Other => {}
                Meaning::Stray => self.strays += 1,
                Meaning::Failure => {
                    (self.on_event)(ProbeEvent::Failed { text: text.to_string() });
                    return Some(Meaning::Failure);
                }
                version @ Meaning::Version(_) => return Some(version),
            }
        }
    }
}

fn classify(text: &str, probe: u64) -> Meaning {
    let Ok(ServerMessage { kind, version, sequence }) = serde_json::from_str(text) else { return Meaning::Failure };
    match (kind.as_deref(), version, sequence) {
        (Some("reply"), Some(version), Some(sequence)) if sequence == probe => Meaning::Version(version),
        (Some("reply"), ..) => Meaning::Stray,
        (Some(_), ..) => Meaning::Other,
        (None, ..) => Meaning::Failure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;

    use super::*;

    #[test]
    fn messages_are_classified_by_kind_and_sequence() {
        let version = |text: &str| Meaning::Version(text.to_owned());
        for (text, meaning) in [
            (r#"{"kind":"reply","version":"one","sequence":2,"connection":"c="}"#, version("one")),
            (r#"{"kind":"reply","version":"one","sequence":1}"#, Meaning::Stray),
            (r#"{"kind":"note","version":"one","sequence":2}"#, Meaning::Other),
            (r#"{"message":"Internal server error"}"#, Meaning::Failure),
            ("no JSON", Meaning::Failure),
        ] {
            assert_eq!(classify(text, 2), meaning, "{text}");
        }
    }

    /// Serves one socket for each list. Responds to each message with the next text in the list.
    async fn serve(listener: TcpListener, sockets: &[&[&str]]) {
        for texts in sockets {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            for text in *texts {
                socket.next().await.unwrap().unwrap();
                socket.send(Message::Text((*text).into())).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn version_changes_and_reconnects_are_reported_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let reply = |version, sequence| format!(r#"{{"kind":"reply","version":"{version}","sequence":{sequence}}}"#);
        let first = [reply("one", 1), reply("one", 2), reply("two", 3), "broken".to_owned()];
        let second = [reply("two", 6)];
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        let second: Vec<&str> = second.iter().map(String::as_str).collect();
        let sockets: [&[&str]; 2] = [&first, &second];
        let events = Mutex::new(Vec::new());
        let on_event = |event| events.lock().unwrap().push(event);
        let mut prober = Prober::new(&url, &on_event);
        let probing = async {
            for _ in 1..=6 {
                prober.probe().await.unwrap();
            }
        };
        tokio::join!(serve(listener, &sockets), probing);
        let totals = prober.finish().await;
        let changed = |version: &str| ProbeEvent::VersionChanged { version: version.to_owned() };
        let failed = ProbeEvent::Failed { text: "broken".to_owned() };
        assert_eq!(
            *events.lock().unwrap(),
            [
                ProbeEvent::Connected,
                changed("one"),
                changed("two"),
                failed,
                ProbeEvent::Disconnected,
                ProbeEvent::Connected
            ]
        );
        assert_eq!((totals.answers, totals.strays), (4, 0));
        assert!(totals.max_us >= totals.p50_us);
    }
}
