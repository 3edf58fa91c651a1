//! A problem with one key of a manifest or an app, before it is known which file it is in.

use std::path::Path;

use serde_path_to_error::{Path as KeyPath, Segment};

use crate::error::Error;

/// How alike two names must be for one to be offered in place of the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// What the TOML reader says of a value that names no variant.
const TOML_NO_VARIANT: &str = "wanted string or table";

/// What to write for a key that is missing.
const MISSING: [(&str, &str); 4] = [
    ("identity-source", "`[]` calls the authorizer at every handshake"),
    ("public-key", "`tidegate keys new` prints the table of a new key"),
    ("route-selection-expression", "`$request.body.action` is the usual one"),
    ("source", "name a `.wasm` file"),
];

/// What is wrong with a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) key: String,
    pub(crate) problem: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), hint: None }
    }

    /// With a hint.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// From where serde stopped, and what it said.
    pub(crate) fn from_serde(path: &KeyPath, said: &str) -> Self {
        let mut keys: Vec<String> = path.iter().filter_map(segment).collect();
        if let Some(rest) = said.strip_prefix("missing field `") {
            let name = rest.trim_end_matches('`');
            keys.push(toml_key(name));
            let hint = MISSING.iter().find(|(key, _)| *key == name).map(|(_, hint)| (*hint).to_owned());
            return Self { hint, ..Self::new(joined(&keys), "is missing") };
        }
        if let Some((name, known)) = unknown("unknown field `", said) {
            if keys.last() != Some(&toml_key(name)) {
                keys.push(toml_key(name));
            }
            return Self::new(joined(&keys), "is no known key").hint(suggestion(name, &known));
        }
        if let Some((name, known)) = unknown("unknown variant `", said) {
            return Self::new(joined(&keys), format!("`{name}` is no known value")).hint(suggestion(name, &known));
        }
        if said == TOML_NO_VARIANT {
            return Self::new(joined(&keys), "expected a string");
        }
        let found = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
        match found.and_then(|found| found.rsplit_once(", expected ")) {
            Some((found, expected)) => Self::new(joined(&keys), format!("expected {expected}, found {found}")),
            None => Self::new(joined(&keys), said),
        }
    }

    /// In `file`.
    pub(crate) fn in_file(self, file: &Path, line: Option<usize>) -> Error {
        Error::Key { file: file.to_owned(), line, key: self.key, problem: self.problem, hint: self.hint }
    }
}

/// The known name nearest to `name`, or all of them.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    let alike = |known: &&str| strsim::jaro_winkler(name, known);
    match known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b))) {
        Some(nearest) if alike(nearest) >= ALIKE => format!("did you mean `{nearest}`?"),
        _ => {
            let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
            format!("known here: {}", known.join(", "))
        }
    }
}

/// A key as TOML writes it.
pub(crate) fn key(names: &[&str]) -> String {
    joined(&names.iter().map(|name| toml_key(name)).collect::<Vec<_>>())
}

/// The name that serde did not know, and those that it did.
fn unknown<'a>(start: &str, said: &'a str) -> Option<(&'a str, Vec<&'a str>)> {
    let (name, known) = said.strip_prefix(start)?.rsplit_once("`, expected ")?;
    Some((name, known.split('`').skip(1).step_by(2).collect()))
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Map { key } => Some(toml_key(key)),
        Segment::Seq { index } => Some(format!("[{index}]")),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

/// A name as it is written in a key of TOML: bare where that is allowed, else quoted.
#[must_use]
pub fn toml_key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { format!("{name:?}") }
}

fn joined(keys: &[String]) -> String {
    keys.join(".").replace(".[", "[")
}

#[cfg(test)]
mod tests {
    use super::toml_key;

    #[test]
    fn a_key_is_quoted_where_toml_wants_it() {
        for (name, key) in [("room-1_b", "room-1_b"), ("$connect", r#""$connect""#), ("", r#""""#), ("a.b", r#""a.b""#)]
        {
            assert_eq!(toml_key(name), key);
        }
    }
}
