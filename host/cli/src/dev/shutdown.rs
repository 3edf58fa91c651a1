//! The signals that end the process: SIGINT (Ctrl-C) and SIGTERM.

use std::process::ExitCode;

use rustix::process::Signal as SignalNumber;
use tidegate_diagnostic::{Code, Diagnose as _};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ui::error::Result;

/// The signal of a write beyond a file-size limit, SIGXFSZ.
const FILE_SIZE_EXCEEDED: SignalNumber = SignalNumber::XFSZ;

/// The handlers of both signals. They receive every signal after the creation of this value.
pub(crate) struct Shutdown {
    interrupt: Signal,
    terminate: Signal,
}

impl Shutdown {
    /// Installs the handlers, so the signals no longer end the process at once.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).diagnose(Code::Internal, || "cannot listen for SIGINT and SIGTERM");
        // The handler stays. Without it, a write beyond a file-size limit (`ulimit -f`) ends the process. With it, the
        // write fails like one on a full disk.
        drop(listen(SignalKind::from_raw(FILE_SIZE_EXCEEDED.as_raw()))?);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next signal. Returns the exit code that shells report for a process that the signal killed.
    pub(crate) async fn exit_code(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::from(130),
            _ = self.terminate.recv() => ExitCode::from(143),
        }
    }
}
