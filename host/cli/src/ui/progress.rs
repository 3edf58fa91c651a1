//! The progress of a build, on standard error.
//!
//! On a terminal a step shows a spinner with the elapsed time. Elsewhere it prints a line at its start and at its end.

use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tidegate_diagnostic::escape;

use crate::ui::terminal::{self, err};
use crate::ui::writer::Stream;

/// The time between two frames of the spinner.
const PERIOD: Duration = Duration::from_millis(80);
const PICTURES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// Returns to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[K";
/// The maximum length of a spinner's label, in characters. A line that wraps cannot be cleared.
const LABEL_CHARACTERS: usize = 60;

/// A step in progress. Dropping it removes the spinner.
pub(crate) struct Progress {
    label: String,
    started: Instant,
    /// `None` if standard error is not a terminal.
    spinner: Option<Spinner>,
}

/// A thread that draws the spinner. It ends when its sender is dropped.
struct Spinner {
    lines: Option<Sender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts a step, for example with the verb `compiling` and the name of a component.
    pub(crate) fn start(verb: &str, subject: &str) -> Self {
        let label = escape(&format!("{verb} {subject}")).into_owned();
        let started = Instant::now();
        let spinner = match std::io::stderr().is_terminal() {
            true => Spinner::start(&label, started),
            false => None,
        };
        if spinner.is_none() {
            err!("tidegate: {label}");
        }
        Self { label, started, spinner }
    }

    /// Returns a sender of lines to print above the spinner, if there is a spinner.
    pub(crate) fn lines(&self) -> Option<Sender<String>> {
        self.spinner.as_ref().and_then(|spinner| spinner.lines.clone())
    }

    /// Ends the step and prints its duration.
    pub(crate) fn done(mut self) {
        self.spinner.take();
        err!("tidegate: {} took {:.1} s", self.label, self.started.elapsed().as_secs_f64());
    }
}

impl Spinner {
    /// Returns `None` if the system cannot start a thread.
    fn start(label: &str, started: Instant) -> Option<Self> {
        let label: String = match label.char_indices().nth(LABEL_CHARACTERS) {
            Some((end, _)) => format!("{}…", label.get(..end).unwrap_or_default()),
            None => label.to_owned(),
        };
        let (lines, received) = channel();
        let thread = thread::Builder::new().name("spinner".to_owned()).spawn(move || draw(&label, started, &received));
        Some(Self { lines: Some(lines), thread: Some(thread.ok()?) })
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.lines.take();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and a leftover frame would do no harm.
            let _ = thread.join();
        }
    }
}

/// Draws until every sender is dropped.
fn draw(label: &str, started: Instant, lines: &Receiver<String>) {
    for picture in PICTURES.iter().cycle() {
        let seconds = started.elapsed().as_secs_f64();
        draw_text(format!("{CLEAR}{picture} {label} {seconds:.1} s"));
        match lines.recv_timeout(PERIOD) {
            Ok(line) => {
                draw_text(format!("{CLEAR}{line}\n"));
                // A compiler may print many lines at once.
                for line in lines.try_iter() {
                    err!("{line}");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    draw_text(CLEAR.to_owned());
}

fn draw_text(text: String) {
    terminal::write(Stream::Stderr, text.into_bytes());
}
