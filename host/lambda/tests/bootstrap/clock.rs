//! A clock that a test moves, so that values age without waiting.
//!
//! The real `bootstrap` reads it through a library that is loaded before the C library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Setup;

/// A clock in its own folder.
pub(crate) struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    /// Creates a clock with the real time.
    pub(crate) fn new() -> Self {
        let clock = Self { folder: tempfile::tempdir().unwrap() };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bootstrap/clock.c");
        // Every installation of Rust on Linux has a C compiler, as its linker.
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(clock.library()).arg(source).status();
        assert!(built.unwrap().success(), "the clock does not build");
        clock.advance(Duration::ZERO);
        clock
    }

    /// Makes a process use the clock.
    pub(crate) fn set(&self, setup: Setup) -> Setup {
        let path = |path: PathBuf| path.display().to_string();
        setup.set("LD_PRELOAD", &path(self.library())).set("CLOCK", &path(self.ahead()))
    }

    /// Moves the clock further ahead.
    pub(crate) fn advance_more(&self, by: Duration) {
        let (ahead, wall) = self.read();
        self.write(ahead + by.as_secs(), wall);
    }

    /// Moves the clock ahead of the real time.
    pub(crate) fn advance(&self, by: Duration) {
        self.write(by.as_secs(), 0);
    }

    /// Moves only the wall clock, ahead of the real time or behind it.
    pub(crate) fn set_wall(&self, seconds: i64) {
        let (ahead, _) = self.read();
        self.write(ahead, seconds);
    }

    /// Returns the seconds by which the monotonic clock and the wall clock are ahead.
    fn read(&self) -> (u64, i64) {
        let text = std::fs::read_to_string(self.ahead()).unwrap();
        let (ahead, wall) = text.split_once(' ').unwrap();
        (ahead.parse().unwrap(), wall.parse().unwrap())
    }

    fn write(&self, ahead: u64, wall: i64) {
        // The rename is atomic, so a process never reads half of a number.
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{ahead} {wall}")).unwrap();
        std::fs::rename(new, self.ahead()).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn ahead(&self) -> PathBuf {
        self.folder.path().join("ahead")
    }
}
