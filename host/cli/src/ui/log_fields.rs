//! The fields of a log line, escaped: a line stays one line, whatever a client or a guest sends.

use std::fmt::{self, Debug, Display};

use tidegate_diagnostic::Escaped;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// The field that has the stack frames of a guest, one a line. They follow the line, indented, so that no frame looks
/// like a log line.
const BACKTRACE: &str = "backtrace";
const INDENT: &str = "    ";
/// The codes of a terminal for italic and dim text, and back.
const ITALIC: &str = "\x1b[3m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Formats fields as `message name=value`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogFields;

impl<'writer> FormatFields<'writer> for LogFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, backtrace: String::new(), result: Ok(()) };
        fields.record(&mut line);
        line.finish()
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    backtrace: String,
    result: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, field: &Field, value: &dyn Display) {
        self.result = self.result.and_then(|()| self.write(field, value));
    }

    fn write(&mut self, field: &Field, value: &dyn Display) -> fmt::Result {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.write_char(' ')?;
        }
        let value = Escaped(value);
        match (field.name(), self.writer.has_ansi_escapes()) {
            ("message", _) => write!(self.writer, "{value}"),
            (name, false) => write!(self.writer, "{name}={value}"),
            (name, true) => write!(self.writer, "{ITALIC}{name}{RESET}{DIM}={RESET}{value}"),
        }
    }

    fn finish(mut self) -> fmt::Result {
        self.result?;
        for frame in self.backtrace.lines() {
            write!(self.writer, "\n{INDENT}{}", Escaped(frame))?;
        }
        Ok(())
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.add(field, &value),
            BACKTRACE => value.clone_into(&mut self.backtrace),
            _ => self.add(field, &format_args!("{value:?}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what `log` logs.
    fn logged(ansi: bool, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(LogFields)
            .with_ansi(ansi)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn texts_of_others_stay_on_one_line() {
        let forged = "hi\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2J\x1b]0;x\x07\u{9b}2J\u{202e}\u{2028}";
        let text = logged(false, || {
            tracing::info!(shown = %forged, quoted = forged, debug = ?forged, number = 3, "{forged}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{2028}'), "{text}");
        assert!(text.contains(r"shown=hi\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J"), "{text}");
        assert!(text.ends_with(" number=3\n"), "{text}");
    }

    #[test]
    fn frames_follow_the_line_indented() {
        let frames = "wasm backtrace:\n  0: 0x1 - guest!inner\x1b[2J";
        let text = logged(false, || tracing::error!(backtrace = frames, route = "chat", "the route trapped"));
        assert_eq!(
            text,
            "ERROR the route trapped route=\"chat\"\n    wasm backtrace:\n      0: 0x1 - guest!inner\\u{1b}[2J\n"
        );
    }

    #[test]
    fn colours_are_our_own() {
        let text = logged(true, || tracing::info!(name = "\x1b[31mred", "hello"));
        assert!(text.contains("\x1b[3mname\x1b[0m\x1b[2m=\x1b[0m") && !text.contains("\x1b[31m"), "{text:?}");
    }
}
