//! Route selection expressions.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html> and
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-selection-expressions.html>

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The prefix of every path in a route selection expression.
const BODY: &str = "request.body";

/// A route selection expression: `$request.body.action`, a composite such as
/// `${request.body.service}/${request.body.action}`, or static text. `\$` stands for a dollar sign.
///
/// ```
/// use tidegate_event::SelectionExpression;
///
/// let expression = SelectionExpression::parse("$request.body.action")?;
/// assert_eq!(expression.evaluate(r#"{ "action": "chat" }"#).as_deref(), Some("chat"));
/// assert_eq!(expression.evaluate("not JSON"), None);
/// # Ok::<(), tidegate_event::SelectionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionExpression(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The names of members, starting at the top of the body. The list is not empty.
    Path(Vec<String>),
}

/// A route selection expression that API Gateway rejects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The expression is empty.
    #[error("the expression is empty")]
    Empty,
    /// A `${` at this byte offset has no `}`.
    #[error("`${{` at byte {0} has no `}}`")]
    Unclosed(usize),
    /// A `$` does not start a variable.
    #[error("invalid variable `${0}`: expected `$request.body.NAME`, or `${{request.body.NAME}}` within other text")]
    Variable(String),
    /// A variable next to other text has no braces.
    #[error("invalid variable `${0}` within other text: expected `${{{0}}}`")]
    Bare(String),
}

impl SelectionExpression {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`SelectionError`] if the expression is empty, or if a `$` in it does not start a variable.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        if text.is_empty() {
            return Err(SelectionError::Empty);
        }
        if let Some(variable) = text.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
            return match path(variable) {
                Some(path) => Ok(Self(vec![Part::Path(path)])),
                None => Err(not_alone(variable)),
            };
        }
        Self::composite(text).map(Self)
    }

    /// Returns the route key that `body` selects. Returns `None` if the expression has a path and `body` is not JSON.
    /// Such a message is routed to `$default`.
    ///
    /// - The result is an empty string if the value is missing or null, or if its path leads through a value that is
    ///   not an object. An empty string is not the key of any route.
    /// - A string yields its text. A number or a boolean yields its JSON text as the client wrote it.
    /// - An object or an array yields its JSON text. AWS does not document this case.
    /// - If a name occurs twice in an object, the last member counts.
    /// - The result is not evaluated again.
    #[must_use]
    pub fn evaluate<'a>(&'a self, body: &'a str) -> Option<Cow<'a, str>> {
        match self.0.as_slice() {
            [Part::Path(path)] => read(path, body),
            [Part::Text(text)] => Some(Cow::Borrowed(text)),
            parts => {
                let mut key = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => key.push_str(text),
                        Part::Path(path) => key.push_str(&read(path, body)?),
                    }
                }
                Some(Cow::Owned(key))
            }
        }
    }

    fn composite(text: &str) -> Result<Vec<Part>, SelectionError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(place) = rest.find('$') {
            let (before, from) = rest.split_at(place);
            let after = from.strip_prefix('$').unwrap_or_default();
            if let Some(before) = before.strip_suffix('\\') {
                literal.push_str(before);
                literal.push('$');
                rest = after;
                continue;
            }
            literal.push_str(before);
            let Some(inside) = after.strip_prefix('{') else { return Err(not_alone(after)) };
            let unclosed = || SelectionError::Unclosed(text.len() - from.len());
            let (variable, behind) = inside.split_once('}').ok_or_else(unclosed)?;
            let path = path(variable).ok_or_else(|| SelectionError::Variable(format!("{{{variable}}}")))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Path(path));
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(parts)
    }
}

/// Parses `request.body.NAME.NAME…` into names of letters, digits, `_` and `-`.
fn path(variable: &str) -> Option<Vec<String>> {
    let names = variable.strip_prefix(BODY)?.strip_prefix('.')?.split('.');
    names.map(|name| (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())).collect()
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '-'
}

/// Distinguishes a path without braces from text that is not a path.
fn not_alone(after: &str) -> SelectionError {
    let end = after.find(|character| !is_name(character) && character != '.').unwrap_or(after.len());
    let variable = after.get(..end).unwrap_or_default();
    if path(variable).is_some() {
        SelectionError::Bare(variable.to_owned())
    } else {
        SelectionError::Variable(variable.to_owned())
    }
}

/// Reads the value at `path`. Returns `None` if `body` is not JSON.
fn read<'a>(path: &[String], body: &'a str) -> Option<Cow<'a, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let value = At(path).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    let Some(json) = value.map(RawValue::get) else { return Some(Cow::Borrowed("")) };
    match json.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => json.get(1..json.len() - 1).map(Cow::Borrowed),
        [b'"', ..] => serde_json::from_str(json).ok().map(Cow::Owned),
        b"null" => Some(Cow::Borrowed("")),
        _ => Some(Cow::Borrowed(json)),
    }
}

/// Finds the value at a path. Skips all other values without allocating them.
struct At<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return de::Deserialize::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((name, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(name))? {
            if is_it {
                found = map.next_value_seed(At(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Compares a member's name without copying it.
struct Is<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests;
