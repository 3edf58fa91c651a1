//! Errors of decoding an event, a reply or a policy.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

/// The maximum length of a JSON path in an error, in bytes. Member names come from the sender and can be long.
const MAX_PATH_BYTES: usize = 200;

/// An event, a reply or a policy that cannot be decoded.
///
/// The error names the location in the JSON. It does not contain the values, which can be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is not JSON.
    #[error("not JSON at line {line}, column {column}")]
    NotJson {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// A required member is missing.
    #[error("`{path}` is missing")]
    Missing {
        /// The JSON path, for example `requestContext.connectionId`.
        path: String,
    },
    /// A member has the wrong type or a value that is not allowed.
    #[error("`{path}`: {problem}")]
    Invalid {
        /// The JSON path. `.` means the whole text.
        path: String,
        /// The expectation, for example `expected a string`.
        problem: String,
    },
    /// The text is longer than its limit.
    #[error("the {what} has {length} bytes, above its limit of {limit}")]
    TooLarge {
        /// The kind of text, for example `authorizer's response`.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl DecodeError {
    /// Creates the error of a missing member.
    pub(crate) fn missing(path: impl Into<String>) -> Self {
        Self::Missing { path: path.into() }
    }

    /// Creates the error of an invalid member.
    pub(crate) fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), problem: problem.into() }
    }
}

/// Decodes `json`, which must be an object. A second pass computes the path of an error, so decoding valid JSON does
/// not pay for path tracking.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeError> {
    // A derived struct also accepts an array of its members.
    if json.trim_ascii_start().first() == Some(&b'{') {
        return serde_json::from_slice(json).map_err(|error| locate::<T>(json, &error));
    }
    match serde_json::from_slice::<IgnoredAny>(json) {
        Ok(_) => Err(DecodeError::invalid(".", "expected an object")),
        Err(error) => Err(locate::<IgnoredAny>(json, &error)),
    }
}

fn locate<T: DeserializeOwned>(json: &[u8], error: &serde_json::Error) -> DecodeError {
    if !matches!(error.classify(), Category::Data) {
        return DecodeError::NotJson { line: error.line(), column: error.column() };
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(located) => located.path().to_string(),
        Ok(_) => ".".to_owned(),
    };
    describe(&shorten(&path), &error.to_string())
}

/// Removes the value from a serde message. serde quotes the value before `, expected `.
fn describe(path: &str, text: &str) -> DecodeError {
    let text = text.rsplit_once(" at line ").map_or(text, |(before, _)| before);
    if let Some(name) = text.strip_prefix("missing field `") {
        let name = name.trim_end_matches('`');
        return DecodeError::missing(if path == "." { name.to_owned() } else { format!("{path}.{name}") });
    }
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => DecodeError::invalid(path, format!("expected {expected}")),
        None => DecodeError::invalid(path, text),
    }
}

fn shorten(path: &str) -> String {
    if path.len() <= MAX_PATH_BYTES {
        return path.to_owned();
    }
    let mut end = MAX_PATH_BYTES;
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", path.get(..end).unwrap_or_default())
}
