//! What a function's process writes, in this process's log.
//!
//! A line of JSON in Lambda's format becomes a line of the log at its level: the message, then its members. Metrics are
//! left out. What is not JSON, as what a process says when it aborts, is a warning as it is.

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tracing::Level;

/// The longest line that is read as one; a longer one continues on the next.
const MAX_LINE_BYTES: usize = 256 << 10;
/// Whose line it is, which is said first.
const WHOSE: [&str; 4] = ["requestId", "connectionId", "route", "release"];
/// Members that the log has elsewhere, or that say nothing here.
const OMITTED: [&str; 7] = ["timestamp", "level", "message", "source", "xrayTraceId", "coldStart", "apiRequestId"];

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    level: Level,
    guest: bool,
    text: String,
}

/// Logs the lines of `output` until it ends. `function` is whose they are.
pub(crate) async fn follow(output: impl AsyncRead + Unpin, function: String) {
    use tokio::io::AsyncReadExt as _;
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut output).take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if let Some(line) = Line::parse(bytes.trim_ascii_end(), &function) {
                    line.log();
                }
            }
        }
    }
}

impl Line {
    /// The line of the log, if this is one.
    fn parse(bytes: &[u8], function: &str) -> Option<Self> {
        match serde_json::from_slice::<Map<String, Value>>(bytes) {
            Ok(members) if members.contains_key("_aws") => None,
            Ok(members) => Some(Self::of(&members)),
            Err(_) if bytes.is_empty() => None,
            Err(_) => {
                let text = format!("{} function={function}", String::from_utf8_lossy(bytes));
                Some(Self { level: Level::WARN, guest: false, text })
            }
        }
    }

    fn of(members: &Map<String, Value>) -> Self {
        let text_of = |name: &str| members.get(name).and_then(Value::as_str);
        let level = text_of("level").and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
        let mut text = text_of("message").unwrap_or_default().to_owned();
        let whose = WHOSE.into_iter().filter_map(|name| {
            // As in process, a request is known by API Gateway's id; Lambda's own is for events that have none.
            let value = members.get("apiRequestId").filter(|_| name == "requestId");
            Some((name, value.or_else(|| members.get(name))?))
        });
        let others = members.iter().map(|(name, value)| (name.as_str(), value));
        let others = others.filter(|(name, _)| !OMITTED.contains(name) && !WHOSE.contains(name));
        for (name, value) in whose.chain(others) {
            text.push_str(&match value {
                Value::String(value) if !value.contains(char::is_whitespace) => format!(" {name}={value}"),
                value => format!(" {name}={value}"),
            });
        }
        Self { level, guest: text_of("source") == Some("guest"), text }
    }

    fn log(&self) {
        // A level and a target are constants of their place in the code.
        macro_rules! log {
            ($level:ident) => {
                if self.guest {
                    tracing::event!(target: "guest", Level::$level, "{}", self.text)
                } else {
                    tracing::event!(target: "bootstrap", Level::$level, "{}", self.text)
                }
            };
        }
        match self.level {
            Level::ERROR => log!(ERROR),
            Level::WARN => log!(WARN),
            Level::INFO => log!(INFO),
            Level::DEBUG => log!(DEBUG),
            Level::TRACE => log!(TRACE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Line> {
        Line::parse(line.as_bytes(), "chat")
    }

    fn line(level: Level, guest: bool, text: &str) -> Option<Line> {
        Some(Line { level, guest, text: text.to_owned() })
    }

    #[test]
    fn a_guests_line_is_its_text_and_whose_it_is() {
        let given = r#"{"timestamp":"t","level":"WARN","message":"hello","connectionId":"c=","stream":"stderr",
            "apiRequestId":"a=","requestId":"l","release":"r","source":"guest","coldStart":true}"#;
        assert_eq!(parse(given), line(Level::WARN, true, "hello requestId=a= connectionId=c= release=r stream=stderr"));
    }

    #[test]
    fn the_hosts_own_lines_keep_lambdas_request_id() {
        let given = r#"{"level":"ERROR","message":"no","requestId":"l","count":3,"at":"two\nlines"}"#;
        assert_eq!(parse(given), line(Level::ERROR, false, r#"no requestId=l at="two\nlines" count=3"#));
    }

    #[test]
    fn metrics_and_nothing_are_no_lines() {
        assert_eq!((parse(r#"{"_aws":{},"Events":1}"#), parse("")), (None, None));
    }

    #[test]
    fn what_is_no_json_is_a_warning() {
        for text in ["memory allocation of 9 bytes failed", "[1]", "{"] {
            assert_eq!(parse(text), line(Level::WARN, false, &format!("{text} function=chat")));
        }
    }
}
