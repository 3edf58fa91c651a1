//! Copies the output of a function's process to the log of the emulator.
//!
//! A JSON line in Lambda's format becomes a log line at the same level, with the message and the other members. Metrics
//! are omitted. A line that is not JSON, for example the message of an abort, becomes a warning.

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tracing::Level;

/// The maximum length of a line, in bytes. A longer line is split.
const MAX_LINE_BYTES: usize = 256 << 10;
/// The members that identify the event of a line. These members are written first.
const IDENTITY: [&str; 4] = ["requestId", "connectionId", "route", "release"];
/// The members that the log has elsewhere, or that have no meaning on a local machine.
const OMITTED: [&str; 7] = ["timestamp", "level", "message", "source", "xrayTraceId", "coldStart", "apiRequestId"];

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    level: Level,
    guest: bool,
    text: String,
}

/// Logs the lines that a function writes to `output`, until the output ends.
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
    /// Parses a line of output. Returns `None` for metrics and empty lines.
    fn parse(bytes: &[u8], function: &str) -> Option<Self> {
        match serde_json::from_slice::<Map<String, Value>>(bytes) {
            Ok(members) if members.contains_key("_aws") => None,
            Ok(members) => Some(Self::from_members(&members)),
            Err(_) if bytes.is_empty() => None,
            Err(_) => {
                let text = format!("{} function={function}", String::from_utf8_lossy(bytes));
                Some(Self { level: Level::WARN, guest: false, text })
            }
        }
    }

    fn from_members(members: &Map<String, Value>) -> Self {
        let text_of = |name: &str| members.get(name).and_then(Value::as_str);
        let level = text_of("level").and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
        let mut text = text_of("message").unwrap_or_default().to_owned();
        let identity = IDENTITY.into_iter().filter_map(|name| {
            // This request id is API Gateway's, as in `tidegate dev` without `--lambda`. Lambda's id is used only for
            // events without one.
            let value = members.get("apiRequestId").filter(|_| name == "requestId");
            Some((name, value.or_else(|| members.get(name))?))
        });
        let others = members.iter().map(|(name, value)| (name.as_str(), value));
        let others = others.filter(|(name, _)| !OMITTED.contains(name) && !IDENTITY.contains(name));
        for (name, value) in identity.chain(others) {
            text.push_str(&match value {
                Value::String(value) if !value.contains(char::is_whitespace) => format!(" {name}={value}"),
                value => format!(" {name}={value}"),
            });
        }
        Self { level, guest: text_of("source") == Some("guest"), text }
    }

    fn log(&self) {
        // tracing requires a constant level and a constant target at each call site.
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
    fn guest_lines_have_their_text_and_their_event() {
        let given = r#"{"timestamp":"t","level":"WARN","message":"hello","connectionId":"c=","stream":"stderr",
            "apiRequestId":"a=","requestId":"l","release":"r","source":"guest","coldStart":true}"#;
        assert_eq!(parse(given), line(Level::WARN, true, "hello requestId=a= connectionId=c= release=r stream=stderr"));
    }

    #[test]
    fn host_lines_keep_the_request_id_of_lambda() {
        let given = r#"{"level":"ERROR","message":"no","requestId":"l","count":3,"at":"two\nlines"}"#;
        assert_eq!(parse(given), line(Level::ERROR, false, r#"no requestId=l at="two\nlines" count=3"#));
    }

    #[test]
    fn metrics_and_empty_lines_are_omitted() {
        assert_eq!((parse(r#"{"_aws":{},"Events":1}"#), parse("")), (None, None));
    }

    #[test]
    fn lines_that_are_not_json_are_warnings() {
        for text in ["memory allocation of 9 bytes failed", "[1]", "{"] {
            assert_eq!(parse(text), line(Level::WARN, false, &format!("{text} function=chat")));
        }
    }
}
