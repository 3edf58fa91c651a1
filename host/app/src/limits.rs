//! The resources that one event of a route may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The resources that one event of a route may use. The manifest sets `memory`, `time` and `cpu`; the host sets the
/// others.
///
/// A manifest writes `{ memory = "64MiB", time = "2s", cpu = "1s" }`. All keys are optional.
///
/// ```
/// use tidegate_app::Limits;
///
/// let limits: Limits = serde_json::from_str(r#"{ "memory": "32MiB" }"#)?;
/// assert_eq!(limits, Limits { memory: 32 << 20, ..Limits::default() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Settings", into = "Settings")]
pub struct Limits {
    /// The maximum size of all linear memories of one instance, in bytes. The default is 64 MiB.
    pub memory: usize,
    /// The maximum wall-clock time of one call, including host calls. The default is 2 s. Lambda's own deadline may be
    /// earlier.
    pub time: Duration,
    /// The maximum CPU time of one call, measured with the CPU clock of the threads that run it, host calls included. A
    /// guest that waits uses none. The default is 1 s.
    pub cpu: Duration,
    /// The maximum number of bytes that host calls copy into and out of one instance, 16 MiB.
    ///
    /// A page of documents needs several MiB, and Wasmtime's default of 128 MiB is too much for a function of 512 MB.
    pub host_call_bytes: usize,
    /// The maximum number of open handles (collections, WASI streams) of one instance, 1,024. Wasmtime's default is a
    /// million.
    pub handles: usize,
}

impl Limits {
    /// The minimum of `memory`, 1 MiB. A Rust guest starts with 1.1 MiB, and QuickJS with less than 2 MiB.
    pub const MIN_MEMORY: usize = 1 << 20;
    /// The maximum of `memory`, 512 MiB: the size that a slot of the instance pool reserves.
    pub const MAX_MEMORY: usize = 512 << 20;
    /// The minimum of `time`, 10 ms: several ticks of the clock that interrupts guests.
    pub const MIN_TIME: Duration = Duration::from_millis(10);
    /// The maximum of `time`, 29 s: the integration timeout of API Gateway.
    pub const MAX_TIME: Duration = Duration::from_secs(29);
    /// The default of `cpu`. A CPython guest needs less than 0.1 s to start.
    pub const DEFAULT_CPU: Duration = Duration::from_secs(1);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            time: Duration::from_secs(2),
            cpu: Self::DEFAULT_CPU,
            host_call_bytes: 16 << 20,
            handles: 1_024,
        }
    }
}

/// A limit that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The text is not a size.
    #[error("invalid size `{0}`: expected an integer followed by KiB, MiB or GiB, for example `64MiB`")]
    Size(String),
    /// The text is not a time.
    #[error("invalid time `{0}`: expected an integer followed by ms or s, for example `500ms`")]
    Time(String),
    /// The value is outside of its bounds.
    #[error("`{value}` is out of range: expected `{min}` to `{max}`")]
    OutOfRange {
        /// The value as written.
        value: String,
        /// The lower bound.
        min: String,
        /// The upper bound.
        max: String,
    },
}

/// The resources that one event may use.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct Settings {
    /// The maximum size of all linear memories of one instance, from `1MiB` to `512MiB`: an integer followed by `KiB`,
    /// `MiB` or `GiB`.
    #[serde(default)]
    memory: Memory,
    /// The maximum wall-clock time of one call, including host calls, from `10ms` to `29s`: an integer followed by `ms`
    /// or `s`.
    #[serde(default)]
    time: Time,
    /// The maximum CPU time of one call, from `10ms` to `29s`: an integer followed by `ms` or `s`.
    // The default is not written, so hosts from before this limit read such releases.
    #[serde(default = "Time::default_cpu", skip_serializing_if = "Time::is_default_cpu")]
    cpu: Time,
}

/// A size in bytes, for example `64MiB`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Memory(usize);

/// A duration, for example `1500ms`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Time(Duration);

impl From<Settings> for Limits {
    fn from(settings: Settings) -> Self {
        Self { memory: settings.memory.0, time: settings.time.0, cpu: settings.cpu.0, ..Self::default() }
    }
}

impl From<Limits> for Settings {
    fn from(limits: Limits) -> Self {
        Self { memory: Memory(limits.memory), time: Time(limits.time), cpu: Time(limits.cpu) }
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

impl Time {
    fn default_cpu() -> Self {
        Self(Limits::DEFAULT_CPU)
    }

    fn is_default_cpu(&self) -> bool {
        self.0 == Limits::DEFAULT_CPU
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
                min: Self(Limits::MIN_MEMORY).into(),
                max: Self(Limits::MAX_MEMORY).into(),
            }),
        }
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        // A manifest sets whole KiB. A host's own value is rounded down.
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
            min: Self(Limits::MIN_TIME).into(),
            max: Self(Limits::MAX_TIME).into(),
        })
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        let millis = time.0.as_millis();
        if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
    }
}

/// Parses a duration as a manifest writes it, for example `2s` or `1500ms`. Returns `None` for any other text.
///
/// ```
/// use std::time::Duration;
/// use tidegate_app::limits::duration;
///
/// assert_eq!(duration("1500ms"), Some(Duration::from_millis(1_500)));
/// assert_eq!(duration("1.5s"), None);
/// ```
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    parse(text, &[("ms", 1), ("s", 1_000)]).map(Duration::from_millis)
}

/// Parses an integer directly before one of `units`. A product that does not fit in a `u64` saturates, because no bound
/// allows it.
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

    fn memory(text: &str) -> Result<usize, LimitError> {
        Memory::try_from(text.to_owned()).map(|memory| memory.0)
    }

    fn time(text: &str) -> Result<Duration, LimitError> {
        Time::try_from(text.to_owned()).map(|time| time.0)
    }

    fn out_of_range(value: &str, min: &str, max: &str) -> LimitError {
        LimitError::OutOfRange { value: value.to_owned(), min: min.to_owned(), max: max.to_owned() }
    }

    #[test]
    fn sizes_are_integers_of_binary_units_within_bounds() {
        assert_eq!(memory("64MiB"), Ok(64 << 20));
        assert_eq!(memory("1536KiB"), Ok(1_536 << 10));
        assert_eq!(memory("512MiB"), Ok(512 << 20));
        for text in ["", "64", "MiB", "64MB", "1.5MiB", "-1MiB", "64 MiB", "+1MiB"] {
            assert_eq!(memory(text), Err(LimitError::Size(text.to_owned())));
        }
        for text in ["1023KiB", "1GiB", "0MiB", "99999999999999999999GiB"] {
            assert_eq!(memory(text), Err(out_of_range(text, "1MiB", "512MiB")));
        }
    }

    #[test]
    fn times_are_integers_of_seconds_or_milliseconds_within_bounds() {
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("10ms"), Ok(Duration::from_millis(10)));
        for text in ["", "2", "2m", "1.5s", "s", "ms"] {
            assert_eq!(time(text), Err(LimitError::Time(text.to_owned())));
        }
        for text in ["9ms", "30s", "29001ms", "0s"] {
            assert_eq!(time(text), Err(out_of_range(text, "10ms", "29s")));
        }
    }

    #[test]
    fn limits_round_trip_through_text() {
        for text in ["64MiB", "1536KiB"] {
            assert_eq!(Memory::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
        for text in ["2s", "1500ms"] {
            assert_eq!(Time::try_from(text.to_owned()).map(String::from), Ok(text.to_owned()));
        }
    }
}
