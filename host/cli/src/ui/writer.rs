//! A thread that writes lines, so that a reader that stops reading never blocks the executor.
//!
//! `tracing-appender` bounds the number of lines, not their bytes. It also never reports the lines that it dropped.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The maximum number of bytes to write in one call. A pipe writes this many without mixing them with those of other
/// processes.
const PIECE_BYTES: usize = 4_096;
/// The number of bytes that a waiting line counts in addition to its text, because even an empty line takes memory.
const LINE_OVERHEAD: usize = 64;

/// The stream of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Writes text to its stream, in order.
pub(crate) type Sink = Box<dyn FnMut(Stream, &[u8]) -> std::io::Result<()> + Send>;

/// A queue of complete texts, and the thread that writes them.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// The maximum number of waiting bytes. Further texts are dropped and counted. `None` means that nothing is
    /// dropped.
    limit: Option<usize>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a text is added, and when one was written.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    texts: VecDeque<(Stream, Vec<u8>)>,
    /// The bytes that wait, including the text that is being written.
    waiting: usize,
    /// The number of pieces that were written.
    written: u64,
    /// True while the thread writes.
    is_writing: bool,
    dropped: Dropped,
}

/// The texts that were dropped since the last report.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

impl Writer {
    /// Starts a writer to the standard streams of the process. Returns `None` if the system cannot start a thread.
    pub(crate) fn start(name: &str, limit: Option<usize>) -> Option<Self> {
        Self::start_with(name, limit, Box::new(write_to_process))
    }

    fn start_with(name: &str, limit: Option<usize>, mut sink: Sink) -> Option<Self> {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || seen.write_forever(&mut sink)).ok()?;
        Some(Self { shared, limit })
    }

    /// Adds a text, which ends with a line feed. Never waits for a reader.
    pub(crate) fn push(&self, stream: Stream, text: Vec<u8>) {
        let size = text.len().saturating_add(LINE_OVERHEAD);
        let mut state = self.shared.lock();
        // Once a line is dropped, later lines are dropped until the reader has caught up, so that the report of the
        // dropped lines stands in the place of the lines.
        let is_full = self.limit.is_some_and(|limit| state.waiting.saturating_add(size) > limit);
        if is_full || state.dropped.lines > 0 {
            state.dropped.lines += 1;
            state.dropped.bytes = state.dropped.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
            return;
        }
        state.waiting += size;
        state.texts.push_back((stream, text));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written. Gives up if nothing was written for `patience`, because then nobody reads.
    pub(crate) fn flush(&self, patience: Option<Duration>) {
        let mut state = self.shared.lock();
        while !state.is_empty() {
            let before = state.written;
            state = match patience {
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let is_stuck = |state: &mut State| state.written == before && !state.is_empty();
                    let waited = self.shared.changed.wait_timeout_while(state, patience, is_stuck);
                    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        return;
                    }
                    state
                }
            };
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_forever(&self, sink: &mut Sink) {
        loop {
            let (stream, text) = self.next();
            for piece in text.chunks(PIECE_BYTES) {
                // An error means that the reader has left. The rest is discarded.
                let _ = sink(stream, piece);
                self.lock().written += 1;
                self.changed.notify_all();
            }
            let mut state = self.lock();
            state.waiting -= text.len() + LINE_OVERHEAD;
            state.is_writing = false;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits for the next text. Once all texts are written, that is the report of the dropped ones.
    fn next(&self) -> (Stream, Vec<u8>) {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.take() {
                return next;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && !self.is_writing && self.dropped.lines == 0
    }

    fn take(&mut self) -> Option<(Stream, Vec<u8>)> {
        let next = match self.texts.pop_front() {
            None if self.dropped.lines > 0 => {
                let report = std::mem::take(&mut self.dropped).report();
                self.waiting += report.len() + LINE_OVERHEAD;
                (Stream::Stderr, report)
            }
            next => next?,
        };
        self.is_writing = true;
        Some(next)
    }
}

impl Dropped {
    fn report(self) -> Vec<u8> {
        let Self { lines, bytes } = self;
        format!("tidegate: warning: dropped {lines} lines ({bytes} bytes), because nobody read standard error\n").into()
    }
}

/// Writes to the standard streams of the process.
pub(crate) fn write_to_process(stream: Stream, text: &[u8]) -> std::io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text)?;
            stdout.flush()
        }
        Stream::Stderr => std::io::stderr().lock().write_all(text),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LIMIT: usize = 1_024;

    /// A reader that reads one piece for each token that the test sends.
    fn paused(limit: Option<usize>) -> (Writer, Sender<()>, Receiver<Vec<u8>>) {
        let (tokens, allowed) = channel();
        let (sent, received) = channel();
        let sink = move |_, text: &[u8]| {
            // Once the test drops its sender, everything is read.
            let _ = allowed.recv();
            sent.send(text.to_vec()).map_err(std::io::Error::other)
        };
        (Writer::start_with("test", limit, Box::new(sink)).unwrap(), tokens, received)
    }

    fn line(number: usize) -> Vec<u8> {
        format!("line {number}\n").into_bytes()
    }

    #[test]
    fn lines_without_a_reader_are_bounded_in_bytes_and_counted() {
        let (writer, tokens, received) = paused(Some(LIMIT));
        for number in 0..1_000 {
            writer.push(Stream::Stderr, line(number));
        }
        assert!(writer.shared.lock().waiting <= LIMIT);
        drop(tokens);
        writer.flush(None);
        let read: Vec<_> = received.try_iter().collect();
        let (report, kept) = read.split_last().unwrap();
        assert!(kept.len() > 1 && kept.len() * LINE_OVERHEAD <= LIMIT, "{}", kept.len());
        assert_eq!(kept, (0..kept.len()).map(line).collect::<Vec<_>>());
        let bytes = (kept.len()..1_000).map(|number| line(number).len()).sum::<usize>() as u64;
        let dropped = Dropped { lines: 1_000 - kept.len() as u64, bytes };
        assert_eq!(String::from_utf8_lossy(report), String::from_utf8_lossy(&dropped.report()));
    }

    #[test]
    fn lines_are_kept_again_after_the_report() {
        let (writer, tokens, received) = paused(Some(LIMIT));
        for _ in 0..2 {
            writer.push(Stream::Stderr, vec![b'x'; LIMIT / 2]);
        }
        for _ in 0..2 {
            tokens.send(()).unwrap();
        }
        writer.flush(None);
        writer.push(Stream::Stderr, line(3));
        tokens.send(()).unwrap();
        writer.flush(None);
        let read: Vec<_> = received.try_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        assert_eq!(read.len(), 3, "{read:?}");
        assert!(read[1].contains("dropped 1 lines (512 bytes)"), "{read:?}");
        assert_eq!(read[2], "line 3\n");
    }

    #[test]
    fn nothing_is_dropped_without_a_limit() {
        let (writer, tokens, received) = paused(None);
        for number in 0..1_000 {
            writer.push(Stream::Stderr, line(number));
        }
        drop(tokens);
        writer.flush(None);
        assert_eq!(received.try_iter().count(), 1_000);
    }

    #[test]
    fn flush_gives_up_if_nobody_reads() {
        let (writer, _tokens, received) = paused(Some(LIMIT));
        writer.push(Stream::Stderr, line(1));
        writer.flush(Some(Duration::from_millis(1)));
        assert_eq!(received.try_iter().count(), 0);
    }

    #[test]
    fn long_lines_arrive_whole() {
        let (writer, tokens, received) = paused(None);
        let long = [vec![b'x'; 3 * PIECE_BYTES], b"\n".to_vec()].concat();
        writer.push(Stream::Stdout, long.clone());
        drop(tokens);
        writer.flush(None);
        assert_eq!(received.try_iter().collect::<Vec<_>>().concat(), long);
    }
}
