//! Conversion of JSON text to attribute values and back.
//!
//! Objects and arrays are parsed one level at a time into borrowed raw values, so that numbers keep their text.
//! serde_json's number type would round them, and the feature `arbitrary_precision` would change every crate in the
//! build.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tidegate_ports::storage::{Error, MAX_JSON_BYTES};

use super::number;

/// DynamoDB's limit for nested objects and arrays, including the document itself.
pub(super) const MAX_DEPTH: usize = 32;

/// The members of a document, or of an object inside it.
pub(super) type Members = HashMap<String, AttributeValue>;

/// Parses a document.
///
/// # Errors
/// [`Error::Invalid`] if the text is not a JSON object, or the object cannot be stored; [`Error::TooLarge`] above
/// [`MAX_JSON_BYTES`].
pub(super) fn read(text: &str) -> Result<Members, Error> {
    check_length(text)?;
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(Error::Invalid("the document is not a JSON object".to_owned()));
    }
    object(text, 1)
}

/// Parses JSON text of any type. The value will be nested in `depth` objects.
///
/// # Errors
/// [`Error::Invalid`] if the text is not JSON, or the value cannot be stored; [`Error::TooLarge`] above
/// [`MAX_JSON_BYTES`].
pub(super) fn read_value(text: &str, depth: usize) -> Result<AttributeValue, Error> {
    check_length(text)?;
    let raw: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    value(raw.get(), depth)
}

/// Checks the length before the text is parsed, because the parsed value takes several times as much memory.
fn check_length(text: &str) -> Result<(), Error> {
    if text.len() > MAX_JSON_BYTES { Err(Error::TooLarge) } else { Ok(()) }
}

fn value(text: &str, depth: usize) -> Result<AttributeValue, Error> {
    match text.bytes().next() {
        Some(b'{') => object(text, depth + 1).map(AttributeValue::M),
        Some(b'[') => array(text, depth + 1).map(AttributeValue::L),
        Some(b'"') => serde_json::from_str(text).map(AttributeValue::S).map_err(not_json),
        Some(b't') => Ok(AttributeValue::Bool(true)),
        Some(b'f') => Ok(AttributeValue::Bool(false)),
        Some(b'n') => Ok(AttributeValue::Null(true)),
        _ => number::normalise(text).map(AttributeValue::N).map_err(Error::Invalid),
    }
}

fn object(text: &str, depth: usize) -> Result<Members, Error> {
    check_depth(depth)?;
    let RawObject(raw) = serde_json::from_str(text).map_err(not_json)?;
    let mut members = Members::with_capacity(raw.len());
    for (name, raw) in raw {
        if name.is_empty() {
            return Err(Error::Invalid("the name of a member is empty".to_owned()));
        }
        let value = value(raw.get(), depth)?;
        if let Some(name) = members.insert(name.clone(), value).map(|_| name) {
            let name = number::shorten(&name);
            return Err(Error::Invalid(format!("the member `{name}` occurs twice in one object")));
        }
    }
    Ok(members)
}

fn array(text: &str, depth: usize) -> Result<Vec<AttributeValue>, Error> {
    check_depth(depth)?;
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
    raw.into_iter().map(|raw| value(raw.get(), depth)).collect()
}

fn check_depth(depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Invalid(format!("the document is nested deeper than {MAX_DEPTH} objects and arrays")));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is the shape that map_err wants")]
fn not_json(error: serde_json::Error) -> Error {
    Error::Invalid(format!("the text is not JSON: {error}"))
}

/// The members of an object in order, with unparsed values.
struct RawObject<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(members)
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Err(E::invalid_type(de::Unexpected::Unit, &self))
            }
        }
        deserializer.deserialize_map(Object).map(RawObject)
    }
}

/// Writes the members that `keep` selects as a JSON object, sorted by name.
///
/// # Errors
/// [`Error::Invalid`] if another program has stored a value that JSON cannot express.
pub(super) fn write(members: &Members, keep: impl Fn(&str) -> bool) -> Result<String, Error> {
    let mut out = Vec::with_capacity(128);
    write_object(members, &keep, &mut out)?;
    // Only text is written, so this cannot fail.
    String::from_utf8(out).map_err(|_| Error::Invalid("the stored document is not UTF-8".to_owned()))
}

fn write_object(members: &Members, keep: &dyn Fn(&str) -> bool, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut sorted: Vec<_> = members.iter().filter(|(name, _)| keep(name)).collect();
    sorted.sort_unstable_by_key(|(name, _)| name.as_str());
    out.push(b'{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out)?;
        out.push(b':');
        write_value(name, value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_value(name: &str, value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        AttributeValue::S(text) => write_string(text, out),
        AttributeValue::N(text) => write_number(name, text, out),
        AttributeValue::Bool(true) => push(b"true", out),
        AttributeValue::Bool(false) => push(b"false", out),
        AttributeValue::Null(_) => push(b"null", out),
        AttributeValue::M(members) => write_object(members, &|_| true, out),
        AttributeValue::L(items) => write_array(items, out, |item, out| write_value(name, item, out)),
        AttributeValue::Ss(items) => write_array(items, out, |item, out| write_string(item, out)),
        AttributeValue::Ns(items) => write_array(items, out, |item, out| write_number(name, item, out)),
        _ => {
            let name = number::shorten(name);
            Err(Error::Invalid(format!("the stored member `{name}` has a type that JSON does not have")))
        }
    }
}

fn write_array<T>(
    items: &[T],
    out: &mut Vec<u8>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    serde_json::to_writer(out, text).map_err(|_| Error::Invalid("a stored string cannot be written".to_owned()))
}

fn write_number(name: &str, text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    if !number::is_json(text) {
        let name = number::shorten(name);
        return Err(Error::Invalid(format!("the stored member `{name}` is a number that JSON does not have")));
    }
    push(text.as_bytes(), out)
}

fn push(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(bytes);
    Ok(())
}

/// Returns the size of an item in bytes, as DynamoDB counts it: the names and values, one byte for each element of a
/// container, and three bytes for each container.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(super) fn size(members: &Members) -> usize {
    members.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

/// Returns the size of one value in bytes.
pub(super) fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number::size(text),
        AttributeValue::M(members) => 3 + members.len() + size(members),
        AttributeValue::L(items) => 3 + items.len() + items.iter().map(size_of_value).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{AttributeValue, Error, MAX_DEPTH, Members, read, write};

    fn round_trip(text: &str) -> Result<String, Error> {
        write(&read(text)?, |_| true)
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let text = r#"{"a":[],"b":{},"c":"","d":null,"e":[true,false,[1,{"x":"é\u0000\n\"\\"}]],"n":-12.5}"#;
        assert_eq!(round_trip(text).unwrap(), text);
        assert_eq!(round_trip(" \n{ \"a\" : [ 1 , 2 ] } ").unwrap(), r#"{"a":[1,2]}"#);
    }

    #[test]
    fn text_that_is_not_an_object_is_rejected() {
        for text in
            ["", "[]", "1", "null", "\"x\"", "{", "{}x", "{} {}", "{a:1}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1,}"]
        {
            assert!(matches!(round_trip(text), Err(Error::Invalid(_))), "{text}");
        }
        assert!(round_trip(r#"{"a":"\ud800"}"#).is_err(), "a lone surrogate is not UTF-8");
    }

    #[test]
    fn duplicate_and_empty_names_are_rejected_at_any_depth() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"\u0061":2}}"#, r#"{"":1}"#, r#"{"x":[{"":1}]}"#] {
            assert!(matches!(round_trip(text), Err(Error::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn depth_is_counted_with_the_document() {
        let nested = |count: usize| format!("{{\"a\":{}{}}}", "[".repeat(count - 1), "]".repeat(count - 1));
        assert!(round_trip(&nested(MAX_DEPTH)).is_ok());
        assert!(round_trip(&nested(MAX_DEPTH + 1)).is_err());
        assert!(round_trip(&nested(100_000)).is_err());
    }

    #[test]
    fn sets_of_other_programs_become_arrays_and_binary_is_rejected() {
        let item = |value| Members::from([("m".to_owned(), value)]);
        let strings = item(AttributeValue::Ss(vec!["a".into(), "b".into()]));
        assert_eq!(write(&strings, |_| true).unwrap(), r#"{"m":["a","b"]}"#);
        let numbers = item(AttributeValue::Ns(vec!["1".into(), "2.5".into()]));
        assert_eq!(write(&numbers, |_| true).unwrap(), r#"{"m":[1,2.5]}"#);
        let binary = item(AttributeValue::L(vec![AttributeValue::B(vec![1].into())]));
        assert!(matches!(write(&binary, |_| true), Err(Error::Invalid(_))));
    }
}
