//! What a guest writes to stdout and stderr, as tagged log lines.

use std::sync::{Mutex, PoisonError};

use crate::state::EventTags;

/// The most bytes of one event that are logged, with [`GUEST_LINE_BYTES`] for each line; the rest is dropped, and a line
/// says so.
pub const MAX_GUEST_LOG_BYTES: usize = 64 << 10;
/// What each line counts besides its own bytes, since it is an event of the log with the fields of one: empty lines alone
/// are about a thousand.
pub const GUEST_LINE_BYTES: usize = 64;
/// The longest log line in bytes; a longer one continues on the next.
pub const MAX_GUEST_LINE_BYTES: usize = 8 << 10;

/// What of a guest's text becomes part of one line.
pub(crate) fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_GUEST_LINE_BYTES)).unwrap_or(text)
}

/// Which of the guest's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The guest's output of one event. Lines go to the log under the target `guest` as they are completed.
#[derive(Debug)]
pub(crate) struct GuestLog {
    tags: EventTags,
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
    pub(crate) fn new(tags: EventTags) -> Self {
        let state = State { stdout: Vec::new(), stderr: Vec::new(), left: MAX_GUEST_LOG_BYTES, dropped: 0 };
        Self { tags, state: Mutex::new(state) }
    }

    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { stdout, stderr, left, dropped } = &mut *state;
        let partial = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
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

    /// Writes what was not ended by a line feed, and says how much was dropped.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.emit(Stream::Stdout, &mut state.stdout);
        self.emit(Stream::Stderr, &mut state.stderr);
        if state.dropped > 0 {
            let EventTags { request_id, connection_id, route, release } = &self.tags;
            let dropped = state.dropped;
            tracing::warn!(
                target: "guest", requestId = %request_id, connectionId = %connection_id, route = %route, release = %release,
                "{dropped} more bytes of output were dropped: one event logs at most {MAX_GUEST_LOG_BYTES}"
            );
            state.dropped = 0;
        }
    }

    fn emit(&self, stream: Stream, line: &mut Vec<u8>) {
        // A very long line is cut at a multiple of the limit; each piece is a line of the log.
        for piece in line.chunks(MAX_GUEST_LINE_BYTES) {
            let text = String::from_utf8_lossy(piece);
            let text = text.trim_end_matches(['\r', '\n']);
            let EventTags { request_id, connection_id, route, release } = &self.tags;
            match stream {
                Stream::Stdout => tracing::info!(
                    target: "guest", requestId = %request_id, connectionId = %connection_id, route = %route, release = %release,
                    stream = "stdout", "{text}"
                ),
                Stream::Stderr => tracing::warn!(
                    target: "guest", requestId = %request_id, connectionId = %connection_id, route = %route, release = %release,
                    stream = "stderr", "{text}"
                ),
            }
        }
        line.clear();
    }
}
