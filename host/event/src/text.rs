//! JSON text, base64, scalars as text, and times in the common log format.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::Serialize;
use time::OffsetDateTime;

use crate::error::DecodeError;
use crate::id::Timestamp;
use crate::types::Payload;

/// Serializes a value. All values in this crate have string keys and JSON forms, so this cannot fail.
pub(crate) fn to_json(value: &impl Serialize, capacity: usize) -> Vec<u8> {
    let mut json = Vec::with_capacity(capacity);
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => json,
        Err(_) => Vec::new(),
    }
}

/// Decodes a payload from `body` and `isBase64Encoded`.
pub(crate) fn payload(body: String, is_base64: bool) -> Result<Payload, DecodeError> {
    if !is_base64 {
        return Ok(Payload::Text(body));
    }
    match STANDARD.decode(body) {
        Ok(bytes) => Ok(Payload::Binary(bytes)),
        Err(_) => Err(DecodeError::invalid("body", "expected base64, because `isBase64Encoded` is true")),
    }
}

/// A payload as a `body`: text is unchanged, bytes are in base64.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Body<'_> {
    /// Returns the value of `isBase64Encoded`.
    pub(crate) fn is_base64(self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the length in bytes before base64 encoding.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl<'a> From<&'a Payload> for Body<'a> {
    fn from(payload: &'a Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::Text(text),
            Payload::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Binary(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

/// A JSON string, number or boolean as text.
pub(crate) struct Scalar(pub(crate) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or a boolean")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar(value))
    }
}

/// Formats a UTC time in the common log format: `09/Sep/2022:14:27:19 +0000`.
pub(crate) fn common_log_time(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    // Only a time after the year 9999 is out of range. Decoders read `requestTimeEpoch` instead.
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second) = time.to_hms();
    let month = MONTHS.get(usize::from(u8::from(time.month())) - 1).copied().unwrap_or_default();
    let mut text = String::with_capacity(26);
    two_digits(&mut text, time.day(), '/');
    text.push_str(month);
    // Writing to a string does not fail.
    let _ = write!(text, "/{}:", time.year());
    two_digits(&mut text, hour, ':');
    two_digits(&mut text, minute, ':');
    two_digits(&mut text, second, ' ');
    text.push_str("+0000");
    text
}

fn two_digits(text: &mut String, number: u8, then: char) {
    text.push(char::from(b'0' + number / 10 % 10));
    text.push(char::from(b'0' + number % 10));
    text.push(then);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_log_times_are_utc_and_padded() {
        assert_eq!(common_log_time(Timestamp(1_663_597_639_123)), "19/Sep/2022:14:27:19 +0000");
        assert_eq!(common_log_time(Timestamp(0)), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(common_log_time(Timestamp(253_402_300_799_000)), "31/Dec/9999:23:59:59 +0000");
    }
}
