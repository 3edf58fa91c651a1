//! The output of guests, as log lines.
//!
//! Lines are written under the target `guest`: those of stdout at the level `info`, those of stderr at `warn`.

use std::fmt::{self, Display, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::{EventContext, log_event};

/// The maximum number of bytes of output that one event logs, including [`GUEST_LINE_BYTES`] for each line. The rest is
/// dropped, and the number of dropped bytes is logged.
pub const MAX_GUEST_LOG_BYTES: usize = 64 << 10;
/// The number of bytes that each line counts in addition to its text, because every line carries the fields of a log
/// record. This limits an event to about a thousand empty lines.
pub const GUEST_LINE_BYTES: usize = 64;
/// The maximum length of a log line, in bytes. Longer text continues on the next line.
pub const MAX_GUEST_LINE_BYTES: usize = 8 << 10;

/// Cuts a guest's text to the maximum length of one log line.
pub(crate) fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_GUEST_LINE_BYTES)).unwrap_or(text)
}

/// Formats a value that contains text of a guest, for example names of its functions. Formatting stops at the maximum
/// length of one log line.
pub(crate) fn excerpt_of(value: &impl Display) -> String {
    let mut text = Excerpt(String::new());
    // An error means that the text is cut.
    let _ = write!(text, "{value}");
    text.0
}

/// Text that ends at [`MAX_GUEST_LINE_BYTES`].
struct Excerpt(String);

impl fmt::Write for Excerpt {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(MAX_GUEST_LINE_BYTES.saturating_sub(self.0.len()));
        self.0.push_str(text.get(..end).unwrap_or_default());
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// An output stream of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The guest's output during one event. Each line is logged when it is complete.
#[derive(Debug)]
pub(crate) struct GuestLog {
    context: Arc<EventContext>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    left: usize,
    dropped: usize,
}

impl GuestLog {
    pub(crate) fn new(context: Arc<EventContext>) -> Self {
        let state = State { stdout: Vec::new(), stderr: Vec::new(), left: MAX_GUEST_LOG_BYTES, dropped: 0 };
        Self { context, state: Mutex::new(state) }
    }

    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { stdout, stderr, left, dropped } = &mut *state;
        let partial = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        let mut seen = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if *left == 0 {
                // The rest is not even split into lines.
                *dropped += bytes.len() - seen;
                break;
            }
            seen += piece.len();
            let overhead = if partial.is_empty() { GUEST_LINE_BYTES } else { 0 };
            let (kept, rest) = piece.split_at(piece.len().min(left.saturating_sub(overhead)));
            *left = if rest.is_empty() { *left - overhead - kept.len() } else { 0 };
            *dropped += rest.len();
            partial.extend_from_slice(kept);
            if kept.ends_with(b"\n") || partial.len() >= MAX_GUEST_LINE_BYTES {
                self.emit(stream, partial);
            }
        }
    }

    /// Logs the unfinished lines, and the number of bytes that were dropped.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.emit(Stream::Stdout, &mut state.stdout);
        self.emit(Stream::Stderr, &mut state.stderr);
        if state.dropped > 0 {
            let dropped = state.dropped;
            log_event!(
                target: "guest", WARN, &self.context,
                "{dropped} more bytes of output were dropped: one event logs at most {MAX_GUEST_LOG_BYTES}"
            );
            state.dropped = 0;
        }
    }

    fn emit(&self, stream: Stream, line: &mut Vec<u8>) {
        // A line above the maximum length becomes several log lines.
        for piece in line.chunks(MAX_GUEST_LINE_BYTES) {
            let text = String::from_utf8_lossy(piece);
            let text = text.trim_end_matches(['\r', '\n']);
            match stream {
                Stream::Stdout => log_event!(target: "guest", INFO, &self.context, stream = "stdout", "{text}"),
                Stream::Stderr => log_event!(target: "guest", WARN, &self.context, stream = "stderr", "{text}"),
            }
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> GuestLog {
        GuestLog::new(Arc::new(crate::context::tests::context()))
    }

    #[test]
    fn bytes_above_the_budget_are_counted_and_not_kept() {
        let log = log();
        log.write(Stream::Stdout, &vec![b'x'; MAX_GUEST_LOG_BYTES]);
        let line = b"many lines of output\n".repeat(100_000);
        for _ in 0..8 {
            log.write(Stream::Stdout, &line);
        }
        let state = log.state.lock().unwrap();
        assert_eq!((state.left, state.dropped), (0, GUEST_LINE_BYTES + 8 * line.len()));
        assert!(state.stdout.len() <= MAX_GUEST_LOG_BYTES, "{}", state.stdout.len());
    }

    #[test]
    fn a_value_that_is_long_is_formatted_as_far_as_a_line() {
        /// Counts the pieces that are formatted.
        struct Endless(std::cell::Cell<usize>);
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    self.0.set(self.0.get() + 1);
                    f.write_str("é----")?;
                }
            }
        }
        let endless = Endless(std::cell::Cell::new(0));
        let text = excerpt_of(&endless);
        assert!((MAX_GUEST_LINE_BYTES - 3..=MAX_GUEST_LINE_BYTES).contains(&text.len()), "{}", text.len());
        assert_eq!(endless.0.get(), MAX_GUEST_LINE_BYTES.div_ceil("é----".len()));
        assert_eq!(excerpt_of(&"short"), "short");
    }
}
