//! The log: human-readable lines on standard error.

use std::io::IsTerminal as _;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

/// The environment variable that sets what is logged, in `tracing`'s filter syntax.
const FILTER: &str = "TIDEGATE_LOG";

/// What is logged unless it says otherwise. Where there is no Region, the command says so itself.
const DEFAULT: &str = "info,aws_config=error";

/// Starts logging; `filter` is the value of `TIDEGATE_LOG`, or else [`DEFAULT`].
///
/// # Errors
/// When the filter cannot be parsed.
pub(crate) fn start(filter: Option<&str>) -> Result<()> {
    let filter = filter.unwrap_or(DEFAULT);
    let filter = EnvFilter::builder().parse(filter).with_context(|| format!("cannot parse `{FILTER}={filter}`"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
