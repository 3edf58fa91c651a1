//! A clock of the process that a test moves, so that values grow old without waiting.
//!
//! The real bootstrap reads it as any other: a library that is loaded before the C library answers for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Setup;

/// A clock, which lives in a folder of its own.
pub(crate) struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    /// Makes a clock that is right.
    pub(crate) fn new() -> Self {
        let clock = Self { folder: tempfile::tempdir().unwrap() };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bootstrap/clock.c");
        // The one program that every installation of Rust on Linux has besides its own.
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(clock.library()).arg(source).status();
        assert!(built.unwrap().success(), "the clock does not build");
        clock.advance(Duration::ZERO);
        clock
    }

    /// Has a process go by it.
    pub(crate) fn set(&self, setup: Setup) -> Setup {
        let path = |path: PathBuf| path.display().to_string();
        setup.set("LD_PRELOAD", &path(self.library())).set("CLOCK", &path(self.ahead()))
    }

    /// Moves it further ahead.
    pub(crate) fn advance_more(&self, by: Duration) {
        let ahead: u64 = std::fs::read_to_string(self.ahead()).unwrap().parse().unwrap();
        self.advance(Duration::from_secs(ahead) + by);
    }

    /// Moves it ahead of what is right.
    pub(crate) fn advance(&self, by: Duration) {
        // A process never reads half of it.
        let new = self.folder.path().join("new");
        std::fs::write(&new, by.as_secs().to_string()).unwrap();
        std::fs::rename(new, self.ahead()).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn ahead(&self) -> PathBuf {
        self.folder.path().join("ahead")
    }
}
