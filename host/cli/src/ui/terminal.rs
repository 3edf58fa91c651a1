//! The standard streams of the process: every line goes through a [`Writer`], so that no thread of the executor waits
//! for a reader.
//!
//! A command loses nothing: its lines wait for their reader, and it ends after the last one was read. `tidegate dev`
//! serves clients meanwhile, so it keeps a bounded number of lines for standard error, drops the rest and counts them.
//!
//! A line may quote a text of others: an unsigned release, a report of a host, the history, a manifest, a guest, an
//! error of AWS. Every line is therefore escaped here, in one place, so that it stays one line and moves no cursor.

use std::fmt::Arguments;
use std::sync::OnceLock;
use std::time::Duration;

use tidegate_diagnostic::{Escaped, escape_json};

use crate::ui::secret;
use crate::ui::writer::{Stream, Writer, write_to_process};

/// The maximum number of bytes that wait for the reader of standard error while `tidegate dev` serves: enough for a
/// reader that pauses, and the output of sixteen events at their limit.
const SERVER_LIMIT: usize = 1 << 20;
/// The time after which a process ends although nobody reads its last lines, if it must not wait for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

static STREAMS: OnceLock<Streams> = OnceLock::new();

struct Streams {
    stderr: Writer,
    /// The writer of standard output. With `None`, that of standard error, so that lines keep their order.
    stdout: Option<Writer>,
    patience: Option<Duration>,
}

/// Writes a line to standard error, like `err!`, but without waiting for a reader.
macro_rules! err {
    ($($text:tt)*) => {
        $crate::ui::terminal::line($crate::ui::writer::Stream::Stderr, format_args!($($text)*))
    };
}
pub(crate) use err;

/// Writes a line of data to standard output, like `println!`, but without waiting for a reader, and without an error if
/// the reader, for example `head`, has left.
macro_rules! out {
    () => { $crate::ui::terminal::line($crate::ui::writer::Stream::Stdout, format_args!("")) };
    ($($text:tt)*) => {
        $crate::ui::terminal::line($crate::ui::writer::Stream::Stdout, format_args!($($text)*))
    };
}
pub(crate) use out;

/// Starts the writers. `is_server` is true for `tidegate dev`, whose two streams do not wait for each other.
pub(crate) fn start(is_server: bool) {
    let limit = is_server.then_some(SERVER_LIMIT);
    // Without a thread, lines are written directly.
    let Some(stderr) = Writer::start("stderr", limit) else { return };
    let stdout = if is_server { Writer::start("stdout", limit) } else { None };
    let _ = STREAMS.set(Streams { stderr, stdout, patience: is_server.then_some(PATIENCE) });
}

/// Writes a line, escaped.
pub(crate) fn line(stream: Stream, text: Arguments<'_>) {
    write(stream, format!("{}\n", Escaped(text)).into_bytes());
}

/// Writes the lines of a text to standard error, each escaped.
pub(crate) fn lines(text: &str) {
    secret::redact(text).lines().for_each(|line| err!("{line}"));
}

/// Writes a text to standard error whose parts are escaped, or that a command of the user has written.
pub(crate) fn message(text: &str) {
    write(Stream::Stderr, format!("{text}\n").into_bytes());
}

/// Writes a JSON text to standard output, which may have several lines. It stays valid JSON.
pub(crate) fn print_json(json: &str) {
    write(Stream::Stdout, format!("{}\n", escape_json(json)).into_bytes());
}

/// Writes a text.
pub(crate) fn write(stream: Stream, text: Vec<u8>) {
    match (STREAMS.get(), stream) {
        (Some(Streams { stdout: Some(stdout), .. }), Stream::Stdout) => stdout.push(stream, text),
        (Some(streams), _) => streams.stderr.push(stream, text),
        // A closed stream cannot be reported anywhere.
        (None, _) => drop(write_to_process(stream, &text)),
    }
}

/// Waits until every line is written. `tidegate dev` gives up when nobody reads.
pub(crate) fn flush() {
    if let Some(streams) = STREAMS.get() {
        streams.flush(streams.patience);
    }
}

/// Waits until every line is written, but gives up when nobody reads. For the end after a signal.
pub(crate) fn flush_if_read() {
    if let Some(streams) = STREAMS.get() {
        streams.flush(Some(PATIENCE));
    }
}

impl Streams {
    fn flush(&self, patience: Option<Duration>) {
        self.stderr.flush(patience);
        if let Some(stdout) = &self.stdout {
            stdout.flush(patience);
        }
    }
}

/// Standard error as the destination of the log. Each call writes one whole line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stderr;

impl std::io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        write(Stream::Stderr, bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
