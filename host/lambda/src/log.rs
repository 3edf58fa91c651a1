//! The log: lines of JSON on standard output, in Lambda's own format.
//!
//! A line takes its context from its own fields, then from the [`CURRENT`] invocation. A line outside of events names
//! the stable release.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tidegate_diagnostic::escape_json;
use tidegate_release::ReleaseId;
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::invocation::{CURRENT, Invocation};

const TIMESTAMP: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// The targets that may log below `INFO`. Such lines of other crates would show requests with their signatures and
/// bodies.
const OWN: [&str; 3] = ["tidegate", "bootstrap", "guest"];
/// The target that repeats each function error, including refusals of the authorizer.
const REPEATED: &str = "lambda_runtime::layers::panic";

/// The stable release, for lines outside of events.
static RELEASE: Mutex<Option<ReleaseId>> = Mutex::new(None);

/// The subscriber of the process. It ignores spans.
struct Log {
    level: LevelFilter,
}

/// Installs the log, which also receives panics. `level` is `AWS_LAMBDA_LOG_LEVEL`.
pub(crate) fn install(level: Option<&str>) {
    let known = parse_level(level.unwrap_or("INFO"));
    // This fails only if a subscriber is already installed.
    let _ = tracing::subscriber::set_global_default(Log { level: known.unwrap_or(LevelFilter::INFO) });
    if let (None, Some(level)) = (known, level) {
        tracing::warn!("`AWS_LAMBDA_LOG_LEVEL` is `{level}`, which is not a level, so the level is `INFO`");
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Sets the release of later lines outside of events.
pub(crate) fn set_release(id: ReleaseId) {
    *RELEASE.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
}

/// Writes one line in one call, so that lines of several threads do not mix. Waits until the line is written: Lambda
/// freezes the process after an event, and lines that waited in a queue would appear late or never.
pub(crate) fn write_line(mut line: String) {
    line.push('\n');
    // A closed standard output cannot be reported anywhere.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

fn parse_level(text: &str) -> Option<LevelFilter> {
    Some(match text.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => return None,
    })
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = *metadata.level();
        let target = metadata.target();
        metadata.is_event()
            && level <= self.level
            && target != REPEATED
            && (level <= Level::INFO || OWN.iter().any(|own| target.starts_with(own)))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        write_line(escape_json(&Value::Object(line(event)).to_string()).into_owned());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(event: &Event<'_>) -> Map<String, Value> {
    let mut line = Map::new();
    let now = OffsetDateTime::now_utc().format(TIMESTAMP).unwrap_or_default();
    line.insert("timestamp".to_owned(), now.into());
    line.insert("level".to_owned(), event.metadata().level().as_str().into());
    line.insert("message".to_owned(), Value::Null);
    // The fields of the invocation come last, so that `requestId` is Lambda's, as in the lines that Lambda writes
    // itself.
    event.record(&mut Fields(&mut line));
    let mut release = None;
    let _ = CURRENT.try_with(|invocation| {
        add_context(&mut line, invocation);
        release = invocation.active.get().map(|active| active.release.clone());
    });
    if !line.contains_key("release")
        && let Some(release) = release.or_else(stable_release)
    {
        line.insert("release".to_owned(), release.as_str().into());
    }
    if event.metadata().target() == "guest" {
        line.insert("source".to_owned(), "guest".into());
    }
    line
}

fn add_context(line: &mut Map<String, Value>, invocation: &Invocation) {
    line.insert("requestId".to_owned(), invocation.request_id.as_str().into());
    if let Some(trace) = &invocation.trace_id {
        line.insert("xrayTraceId".to_owned(), trace.as_str().into());
    }
    line.insert("coldStart".to_owned(), invocation.cold_start.into());
}

fn stable_release() -> Option<ReleaseId> {
    RELEASE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The fields of an event, as members of its line.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        // In `tidegate_runtime` and in API Gateway's access log, `requestId` is API Gateway's request id.
        let name = if field.name() == "requestId" { "apiRequestId" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string fails only if the formatting of the value fails. The text up to that point is kept.
        let _ = write!(text, "{value:?}");
        self.set(field, text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_level_names_are_parsed() {
        for (text, level) in [("INFO", LevelFilter::INFO), ("fatal", LevelFilter::ERROR), ("Debug", LevelFilter::DEBUG)]
        {
            assert_eq!(parse_level(text), Some(level));
        }
        assert_eq!(parse_level("LOUD"), None);
    }
}
