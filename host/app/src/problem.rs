//! A problem with one key of a manifest or an app, independent of the file.

use std::fmt::{self, Display};
use std::path::Path;

use serde::de::{self, Expected, Unexpected};
use tidegate_diagnostic::Code;

use crate::error::Error;

/// The least similarity of two names, from 0 to 1, at which one is suggested in place of the other.
const MIN_SIMILARITY: f64 = 0.75;

/// Hints for missing keys.
const MISSING: [(&str, &str); 4] = [
    ("identity-source", "`[]` calls the authorizer at every handshake"),
    ("public-key", "`tidegate keys new` prints the table of a new key"),
    ("route-selection-expression", "most apps use `$request.body.action`"),
    ("source", "name a `.wasm` file"),
];

/// A problem with one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// The segments of the key, each as TOML writes it; an index is `[0]`.
    keys: Vec<String>,
    line: Option<usize>,
    pub(crate) problem: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// Creates a problem without a hint.
    pub(crate) fn new(code: Code, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { keys: vec![key.into()], ..Self::without_key(code, problem.into()) }
    }

    /// Adds a hint.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Creates the public error.
    pub(crate) fn in_file(self, file: &Path) -> Error {
        Error::Key {
            key: joined(&self.keys),
            file: file.to_owned(),
            line: self.line,
            code: self.code,
            problem: self.problem,
            hint: self.hint,
        }
    }

    /// Sets the line, unless an inner value has set it.
    pub(crate) fn at_line(self, line: Option<usize>) -> Self {
        Self { line: self.line.or(line), ..self }
    }

    /// Puts the table's key `name` in front of the path of a problem with its value.
    pub(crate) fn in_key(self, name: &str) -> Self {
        // The key next to the value identifies the conversion that failed.
        let is_value = self.keys.iter().all(|segment| segment.starts_with('['));
        let code = match self.code {
            Code::ManifestValueInvalid if is_value => code_of_conversion(name),
            code => code,
        };
        Self { code, ..self.in_segment(toml_key(name)) }
    }

    /// Puts an index in front of the path of a problem with an element.
    pub(crate) fn in_element(self, index: usize) -> Self {
        self.in_segment(format!("[{index}]"))
    }

    /// Makes this a problem with the key `name` itself.
    pub(crate) fn of_key(self, name: &str) -> Self {
        let code = match self.code {
            // Route keys are the only keys that are converted.
            Code::ManifestValueInvalid => Code::RouteKeyInvalid,
            code => code,
        };
        Self { code, keys: vec![toml_key(name)], ..self }
    }

    fn in_segment(mut self, segment: String) -> Self {
        self.keys.insert(0, segment);
        self
    }

    /// Creates a problem whose key the caller adds.
    pub(crate) fn without_key(code: Code, problem: String) -> Self {
        Self { code, keys: Vec::new(), line: None, problem, hint: None }
    }
}

fn code_of_conversion(key: &str) -> Code {
    match key {
        "memory" | "time" | "cpu" => Code::LimitInvalid,
        "groups" | "broadcast" => Code::GroupPatternInvalid,
        "identity-source" => Code::IdentitySourceInvalid,
        "public-key" => Code::PublicKeyInvalid,
        _ => Code::ManifestValueInvalid,
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", joined(&self.keys), self.problem)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self::without_key(Code::ManifestValueInvalid, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = describe(found);
        Self::without_key(Code::ManifestTypeMismatch, format!("expected {expected}, found {found}"))
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::without_key(Code::ManifestValueUnknown, format!("unknown value `{name}`")).hint(suggestion(name, known))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::without_key(Code::ManifestKeyUnknown, "unknown key".to_owned()).hint(suggestion(name, known))
    }

    fn missing_field(name: &'static str) -> Self {
        let hint = MISSING.iter().find(|(key, _)| *key == name).map(|(_, hint)| (*hint).to_owned());
        Self { hint, ..Self::new(Code::ManifestKeyMissing, toml_key(name), "missing key") }
    }
}

/// Describes the type of a value. The value itself may be a secret.
fn describe(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit => "null".to_owned(),
        Unexpected::Bool(_) => "a boolean".to_owned(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".to_owned(),
        Unexpected::Float(_) => "a floating-point number".to_owned(),
        Unexpected::Str(_) | Unexpected::Char(_) => "a string".to_owned(),
        found => found.to_string(),
    }
}

/// Suggests the known name that is most similar to `name`, or lists all of them.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    let similarity = |known: &&str| strsim::jaro_winkler(name, known);
    match known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b))) {
        Some(nearest) if similarity(nearest) >= MIN_SIMILARITY => format!("did you mean `{nearest}`?"),
        _ => {
            let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
            format!("use one of {}", known.join(", "))
        }
    }
}

/// Joins names into a dotted key as TOML writes it.
pub(crate) fn key(names: &[&str]) -> String {
    joined(&names.iter().map(|name| toml_key(name)).collect::<Vec<_>>())
}

/// Returns a name as TOML writes it in a key: bare if TOML allows that, otherwise quoted.
///
/// ```
/// assert_eq!(tidegate_app::toml_key("chat"), "chat");
/// assert_eq!(tidegate_app::toml_key("$connect"), r#""$connect""#);
/// ```
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
    fn toml_keys_are_quoted_if_necessary() {
        for (name, key) in [("room-1_b", "room-1_b"), ("$connect", r#""$connect""#), ("", r#""""#), ("a.b", r#""a.b""#)]
        {
            assert_eq!(toml_key(name), key);
        }
    }
}
