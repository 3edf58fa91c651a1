//! What one event of a route may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one event of a route may use. The manifest sets `memory` and `time`; the rest are the host's.
///
/// As text: `{ memory = "64MiB", time = "2s" }`, either of which may be left out for its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Settings", into = "Settings")]
pub struct Limits {
    /// The linear memories of one instance together, in bytes.
    pub memory: usize,
    /// Wall-clock time of one call, host calls included; Lambda's own deadline may be nearer.
    pub time: Duration,
    /// Bytes that host calls may move into and out of one instance: four of the largest messages' worth of lists and
    /// strings would be too few for a page of documents, Wasmtime's default of 128 MiB too many for a 512 MB Lambda.
    pub host_call_bytes: usize,
    /// Open handles (collections, WASI streams) of one instance; Wasmtime's default is a million.
    pub handles: usize,
}

impl Limits {
    /// The smallest memory that the manifest may set: QuickJS starts with less than 2 MiB, one Rust guest with 1.1 MiB.
    pub const MIN_MEMORY: usize = 1 << 20;
    /// The largest memory that the manifest may set: what a pool slot reserves.
    pub const MAX_MEMORY: usize = 512 << 20;
    /// The shortest time that the manifest may set: several ticks of the clock that interrupts guests.
    pub const MIN_TIME: Duration = Duration::from_millis(10);
    /// The longest time that the manifest may set: API Gateway's integration timeout.
    pub const MAX_TIME: Duration = Duration::from_secs(29);
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 64 << 20, time: Duration::from_secs(2), host_call_bytes: 16 << 20, handles: 1_024 }
    }
}

/// A limit that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Not a size.
    #[error("`{0}` is no size: a whole number and KiB, MiB or GiB, such as `64MiB`")]
    Size(String),
    /// Not a time.
    #[error("`{0}` is no time: a whole number and ms or s, such as `500ms`")]
    Time(String),
    /// Outside its bounds.
    #[error("`{value}` is out of range: from {least} to {most}")]
    OutOfRange {
        /// The text.
        value: String,
        /// The lower bound.
        least: String,
        /// The upper bound.
        most: String,
    },
}

/// The limits as the manifest and `app.json` write them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Settings {
    #[serde(default)]
    memory: Memory,
    #[serde(default)]
    time: Time,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Memory(usize);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Time(Duration);

impl From<Settings> for Limits {
    fn from(settings: Settings) -> Self {
        Self { memory: settings.memory.0, time: settings.time.0, ..Self::default() }
    }
}

impl From<Limits> for Settings {
    fn from(limits: Limits) -> Self {
        Self { memory: Memory(limits.memory), time: Time(limits.time) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Limits::default().memory)
    }
}

impl Default for Time {
    fn default() -> Self {
        Self(Limits::default().time)
    }
}

impl TryFrom<String> for Memory {
    type Error = LimitError;
    fn try_from(text: String) -> Result<Self, LimitError> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let Some(bytes) = parse(&text, &units) else { return Err(LimitError::Size(text)) };
        match usize::try_from(bytes).ok().filter(|bytes| (Limits::MIN_MEMORY..=Limits::MAX_MEMORY).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes)),
            None => Err(LimitError::OutOfRange {
                value: text,
                least: Self(Limits::MIN_MEMORY).into(),
                most: Self(Limits::MAX_MEMORY).into(),
            }),
        }
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        // The manifest sets whole KiB; what the host sets otherwise is written down to them.
        if memory.0.is_multiple_of(1 << 20) {
            format!("{}MiB", memory.0 >> 20)
        } else {
            format!("{}KiB", memory.0 >> 10)
        }
    }
}

impl TryFrom<String> for Time {
    type Error = LimitError;
    fn try_from(text: String) -> Result<Self, LimitError> {
        let Some(time) = duration(&text) else { return Err(LimitError::Time(text)) };
        if (Limits::MIN_TIME..=Limits::MAX_TIME).contains(&time) {
            return Ok(Self(time));
        }
        Err(LimitError::OutOfRange {
            value: text,
            least: Self(Limits::MIN_TIME).into(),
            most: Self(Limits::MAX_TIME).into(),
        })
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        let millis = time.0.as_millis();
        if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
    }
}

/// A duration as it is written in a manifest: `2s`, `1500ms`; none when the text is none.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    parse(text, &[("ms", 1), ("s", 1_000)]).map(Duration::from_millis)
}

/// A whole number directly before one of `units`; a number too large to multiply is the largest, which no bound allows.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find_map(|(unit, size)| {
        let digits = text.strip_suffix(unit)?;
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(text: &str) -> Result<usize, String> {
        Memory::try_from(text.to_owned()).map(|memory| memory.0).map_err(|error| error.to_string())
    }

    fn time(text: &str) -> Result<Duration, String> {
        Time::try_from(text.to_owned()).map(|time| time.0).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_are_whole_numbers_of_binary_units_within_bounds() {
        assert_eq!(memory("64MiB"), Ok(64 << 20));
        assert_eq!(memory("1536KiB"), Ok(1_536 << 10));
        assert_eq!(memory("512MiB"), Ok(512 << 20));
        for text in ["", "64", "MiB", "64MB", "1.5MiB", "-1MiB", "64 MiB", "+1MiB"] {
            let problem = format!("`{text}` is no size: a whole number and KiB, MiB or GiB, such as `64MiB`");
            assert_eq!(memory(text), Err(problem));
        }
        for text in ["1023KiB", "1GiB", "0MiB", "99999999999999999999GiB"] {
            assert_eq!(memory(text), Err(format!("`{text}` is out of range: from 1MiB to 512MiB")));
        }
    }

    #[test]
    fn times_are_whole_numbers_of_seconds_or_milliseconds_within_bounds() {
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("10ms"), Ok(Duration::from_millis(10)));
        for text in ["", "2", "2m", "1.5s", "s", "ms"] {
            assert_eq!(time(text), Err(format!("`{text}` is no time: a whole number and ms or s, such as `500ms`")));
        }
        for text in ["9ms", "30s", "29001ms", "0s"] {
            assert_eq!(time(text), Err(format!("`{text}` is out of range: from 10ms to 29s")));
        }
    }

    #[test]
    fn text_forms_come_back() {
        for text in ["64MiB", "1536KiB"] {
            assert_eq!(Memory::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
        for text in ["2s", "1500ms"] {
            assert_eq!(Time::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
    }
}
