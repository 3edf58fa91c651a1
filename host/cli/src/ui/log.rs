//! The log: lines for people, on standard error.

use std::backtrace::Backtrace;
use std::io::IsTerminal as _;

use tidegate_diagnostic::{Code, Diagnose as _};
use tracing_subscriber::EnvFilter;

use crate::ui::error::Result;
use crate::ui::log_fields::LogFields;
use crate::ui::terminal::{self, Stderr};

/// The environment variable that holds the log filter.
const FILTER: &str = "TIDEGATE_LOG";
/// The default filter. The command reports a missing Region itself.
const DEFAULT: &str = "info,aws_config=error";

/// Starts logging, panics included.
/// `filter` is the value of `TIDEGATE_LOG`, in the filter syntax of `tracing`.
///
/// # Errors
/// The filter cannot be parsed.
pub(crate) fn start(filter: Option<&str>) -> Result<()> {
    let filter = filter.unwrap_or(DEFAULT);
    let filter = EnvFilter::builder()
        .parse(filter)
        .diagnose(Code::LogFilterInvalid, || format!("cannot parse the log filter `{FILTER}={filter}`"))
        .map_err(|error| error.hint("use the syntax of `tracing`, for example `info` or `debug,hyper=warn`"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .fmt_fields(LogFields)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(|| Stderr)
        .init();
    // The default hook would wait for a reader of standard error.
    std::panic::set_hook(Box::new(|panic| terminal::lines(&format!("{panic}\n{}", Backtrace::capture()))));
    Ok(())
}
