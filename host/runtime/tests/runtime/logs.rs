//! The log lines of a test.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;

/// Records the log of the current thread as JSON lines until it is dropped.
pub(crate) struct Logs {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Logs {
    pub(crate) fn capture() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Returns the lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.text.lock().unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    /// Returns the lines that the guest wrote to a stream. Every line must name the event.
    pub(crate) fn of_guest(&self, stream: &str) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line["target"] == "guest");
        let lines = lines.filter(|line| line["fields"]["stream"] == stream);
        let text = |line: Value| {
            let fields = &line["fields"];
            assert_eq!((&fields["requestId"], &fields["connectionId"]), (&"r1=".into(), &crate::events::OWN.into()));
            assert_eq!(fields["route"], "any");
            fields["message"].as_str().unwrap().to_owned()
        };
        lines.map(text).collect()
    }

    /// Returns the line that starts with this text.
    pub(crate) fn line(&self, start: &str) -> Value {
        let lines = self.lines();
        let found = lines.iter().find(|line| line["fields"]["message"].as_str().is_some_and(|m| m.starts_with(start)));
        found.unwrap_or_else(|| panic!("no line starts with {start:?}: {lines:#?}")).clone()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
