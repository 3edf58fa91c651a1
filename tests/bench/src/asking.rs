//! Asks over one socket which version answers, one question after the other, and tells when that changes.
//!
//! A question is its number. An answer is JSON with the `kind` `reply`, the `version` that gives it, and the question's
//! number as its `sequence`; messages of another kind are passed over.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::latency::Latencies;
use crate::socket::{Socket, connect};

/// How long a question may wait for its answer before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may refuse connections.
const REFUSAL: Duration = Duration::from_secs(30);
/// How long to wait before a connection is tried again: not every refusal is at once.
const RETRY: Duration = Duration::from_millis(1);

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum What {
    /// There is a socket, the first or a new one.
    Opened,
    /// Another version answered than before.
    Answered {
        /// The version.
        version: String,
    },
    /// A question was answered with something else.
    Failed {
        /// With what.
        text: String,
    },
    /// A question was not answered in time.
    Silent,
    /// The server ended the socket.
    Dropped,
}

/// What the asking came to.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Questions that were answered.
    pub answers: usize,
    /// The median until an answer, in microseconds.
    pub p50_us: f64,
    /// The longest time until an answer, in microseconds.
    pub longest_us: f64,
    /// Answers that nobody waited for: given twice, or late.
    pub strays: usize,
}

/// Asks without end, and counts.
pub struct Asker<'a> {
    url: &'a str,
    tell: &'a (dyn Fn(What) + Sync),
    socket: Option<Socket>,
    sequence: u64,
    version: String,
    times: Latencies,
    strays: usize,
}

/// What a server sent, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Sent {
    kind: Option<String>,
    version: Option<String>,
    sequence: Option<u64>,
}

/// What a message means to who asked the question of this number.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Version(String),
    Stray,
    Failure,
    Other,
}

impl<'a> Asker<'a> {
    /// Who will ask the server at a `ws://` URL, and will `tell` what happens at the moment when it does.
    #[must_use]
    pub fn new(url: &'a str, tell: &'a (dyn Fn(What) + Sync)) -> Self {
        Self { url, tell, socket: None, sequence: 0, version: String::new(), times: Latencies::default(), strays: 0 }
    }

    /// Asks the next question and waits for its answer, on a new socket where there is none.
    ///
    /// # Errors
    /// The server refuses connections for half a minute.
    pub async fn ask(&mut self) -> Result<()> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open().await?,
        };
        self.sequence += 1;
        let began = Instant::now();
        let question = Message::Text(self.sequence.to_string().into());
        let answered = match socket.send(question).await {
            Ok(()) => timeout(PATIENCE, self.hear(&mut socket)).await,
            Err(_) => Ok(None),
        };
        match answered {
            Ok(Some(Heard::Version(version))) => {
                self.times.record(began.elapsed());
                if version != self.version {
                    self.version.clone_from(&version);
                    (self.tell)(What::Answered { version });
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                (self.tell)(What::Dropped);
                return Ok(());
            }
            Err(_) => (self.tell)(What::Silent),
        }
        self.socket = Some(socket);
        Ok(())
    }

    /// Closes the socket.
    pub async fn end(self) -> Totals {
        if let Some(mut socket) = self.socket {
            // A server that is gone has closed it.
            let _ = timeout(PATIENCE, socket.close(None)).await;
        }
        let answers = self.times.count();
        let [p50_us, longest_us] = self.times.percentiles([50.0, 100.0]);
        Totals { answers, p50_us, longest_us, strays: self.strays }
    }

    async fn open(&mut self) -> Result<Socket> {
        let began = Instant::now();
        loop {
            match connect(self.url).await {
                Ok(socket) => {
                    (self.tell)(What::Opened);
                    return Ok(socket);
                }
                Err(error) if began.elapsed() > REFUSAL => return Err(error).context("for half a minute"),
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// The answer to the last question; none when the socket has ended.
    async fn hear(&mut self, socket: &mut Socket) -> Option<Heard> {
        loop {
            let Message::Text(text) = socket.next().await?.ok()? else { continue };
            match heard(&text, self.sequence) {
                Heard::Other => {}
                Heard::Stray => self.strays += 1,
                Heard::Failure => {
                    (self.tell)(What::Failed { text: text.to_string() });
                    return Some(Heard::Failure);
                }
                version @ Heard::Version(_) => return Some(version),
            }
        }
    }
}

fn heard(text: &str, question: u64) -> Heard {
    let Ok(Sent { kind, version, sequence }) = serde_json::from_str(text) else { return Heard::Failure };
    match (kind.as_deref(), version, sequence) {
        (Some("reply"), Some(version), Some(sequence)) if sequence == question => Heard::Version(version),
        (Some("reply"), ..) => Heard::Stray,
        (Some(_), ..) => Heard::Other,
        (None, ..) => Heard::Failure,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;

    use super::*;

    #[test]
    fn an_answer_is_a_reply_to_the_question() {
        let version = |text: &str| Heard::Version(text.to_owned());
        for (text, meaning) in [
            (r#"{"kind":"reply","version":"one","sequence":2,"connection":"c="}"#, version("one")),
            (r#"{"kind":"reply","version":"one","sequence":1}"#, Heard::Stray),
            (r#"{"kind":"note","version":"one","sequence":2}"#, Heard::Other),
            (r#"{"message":"Internal server error"}"#, Heard::Failure),
            ("no JSON", Heard::Failure),
        ] {
            assert_eq!(heard(text, 2), meaning, "{text}");
        }
    }

    /// Serves one socket for each list, and sends its texts, one for each question.
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
    async fn a_change_of_the_version_and_a_new_socket_are_told_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let one = |sequence| format!(r#"{{"kind":"reply","version":"one","sequence":{sequence}}}"#);
        let two = |sequence| format!(r#"{{"kind":"reply","version":"two","sequence":{sequence}}}"#);
        let (first, second, third) = (one(1), one(2), two(3));
        let (broken, last) = ("broken", two(6));
        let sockets: [&[&str]; 2] = [&[&first, &second, &third, broken], &[&last]];
        let told = Mutex::new(Vec::new());
        let tell = |what| told.lock().unwrap().push(what);
        let mut asker = Asker::new(&url, &tell);
        let asking = async {
            for _ in 1..=6 {
                asker.ask().await.unwrap();
            }
        };
        tokio::join!(serve(listener, &sockets), asking);
        let totals = asker.end().await;
        let answered = |version: &str| What::Answered { version: version.to_owned() };
        let failed = What::Failed { text: "broken".to_owned() };
        assert_eq!(
            *told.lock().unwrap(),
            [What::Opened, answered("one"), answered("two"), failed, What::Dropped, What::Opened]
        );
        assert_eq!((totals.answers, totals.strays), (4, 0));
        assert!(totals.longest_us >= totals.p50_us);
    }
}
