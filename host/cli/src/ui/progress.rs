//! Progress of a build, on standard error.

use std::time::Instant;

/// One step under way.
pub(crate) struct Progress {
    what: String,
    started: Instant,
}

impl Progress {
    /// Says that a step begins.
    pub(crate) fn start(verb: &str, what: &str) -> Self {
        eprintln!("tidegate: {verb} {what}");
        Self { what: format!("{verb} {what}"), started: Instant::now() }
    }

    /// Says that the step is done, and how long it took.
    pub(crate) fn done(self) {
        eprintln!("tidegate: {} took {:.1} s", self.what, self.started.elapsed().as_secs_f64());
    }
}
