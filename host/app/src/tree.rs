//! A parsed document whose values know their lines, and a serde deserializer over it with structured errors.
//!
//! TOML and JSON both become a tree of [`Node`]s. The errors of the format crates are text; the errors of this
//! deserializer are [`Problem`]s with a code, the path of the key and its line.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Problem;

/// A value with the line on which it starts, counted from 1. JSON values have no line.
pub(crate) struct Node {
    line: Option<usize>,
    value: Value,
}

enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// A value that no key accepts: a TOML date, or a number outside of the range of `i64`.
    Other(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its line and its value.
struct Entry {
    name: String,
    line: Option<usize>,
    node: Node,
}

impl Node {
    /// Converts a parsed TOML document. `text` is the document, from which lines are counted.
    pub(crate) fn from_toml(text: &str, table: Spanned<DeTable<'_>>) -> Self {
        let lines = Lines::of(text);
        let line = lines.at(table.span().start);
        Self { line, value: Value::Table(entries(&lines, table.into_inner())) }
    }

    fn from_toml_value(lines: &Lines, value: Spanned<DeValue<'_>>) -> Self {
        let line = lines.at(value.span().start);
        let value = match value.into_inner() {
            DeValue::String(string) => Value::String(string.into_owned()),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Other("an integer outside of the range of 64 bits".to_owned()),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(float) => Value::Float(float),
                Err(_) => Value::Other("a floating-point number".to_owned()),
            },
            DeValue::Boolean(boolean) => Value::Bool(boolean),
            DeValue::Datetime(_) => Value::Other("a date".to_owned()),
            DeValue::Array(values) => {
                Value::Array(values.into_iter().map(|value| Self::from_toml_value(lines, value)).collect())
            }
            DeValue::Table(table) => Value::Table(entries(lines, table)),
        };
        Self { line, value }
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(boolean) => visitor.visit_bool(boolean),
            Value::Integer(integer) => visitor.visit_i64(integer),
            Value::Float(float) => visitor.visit_f64(float),
            Value::String(string) => visitor.visit_string(string),
            Value::Other(found) => Err(Problem::invalid_type(Unexpected::Other(&found), &visitor)),
            Value::Array(nodes) => visitor.visit_seq(Elements { nodes: nodes.into_iter(), index: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.into_iter(), current: None }),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(boolean) => Unexpected::Bool(*boolean),
            Value::Integer(integer) => Unexpected::Signed(*integer),
            Value::Float(float) => Unexpected::Float(*float),
            Value::String(string) => Unexpected::Str(string),
            Value::Other(found) => Unexpected::Other(found),
            Value::Array(_) => Unexpected::Seq,
            Value::Table(_) => Unexpected::Map,
        }
    }
}

fn entries(lines: &Lines, table: DeTable<'_>) -> Vec<Entry> {
    let entry = |(name, value): (Spanned<std::borrow::Cow<'_, str>>, _)| Entry {
        line: lines.at(name.span().start),
        name: name.into_inner().into_owned(),
        node: Node::from_toml_value(lines, value),
    };
    table.into_iter().map(entry).collect()
}

/// The offsets at which the lines of a document end. A long document has a value on most of its lines, so counting the
/// lines before each value would take a time that grows with the square of the length.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect())
    }

    /// Returns the line of an offset, counted from 1.
    fn at(&self, offset: usize) -> Option<usize> {
        Some(self.0.partition_point(|end| *end < offset) + 1)
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let line = self.line;
        self.visit(visitor).map_err(|problem| problem.at_line(line))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let line = self.line;
        let result = match self.value {
            Value::String(name) => visitor.visit_enum(UnitVariant(name)),
            _ => Err(Problem::invalid_type(self.unexpected(), &"a string")),
        };
        result.map_err(|problem| problem.at_line(line))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// A variant without data, by its name.
struct UnitVariant(String);

impl<'de> EnumAccess<'de> for UnitVariant {
    type Error = Problem;
    type Variant = <StringDeserializer<Problem> as EnumAccess<'de>>::Variant;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Problem> {
        IntoDeserializer::<Problem>::into_deserializer(self.0).variant_seed(seed)
    }
}

/// The elements of an array. Errors gain the index.
struct Elements {
    nodes: std::vec::IntoIter<Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let line = node.line;
        seed.deserialize(node).map(Some).map_err(|problem| problem.in_element(index).at_line(line))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

/// The entries of a table. Errors gain the key.
struct Entries {
    entries: std::vec::IntoIter<Entry>,
    current: Option<(String, Node)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Problem> {
        let Some(Entry { name, line, node }) = self.entries.next() else { return Ok(None) };
        let key = IntoDeserializer::<Problem>::into_deserializer(name.clone());
        let value = seed.deserialize(key).map_err(|problem| problem.of_key(&name).at_line(line))?;
        self.current = Some((name, node));
        Ok(Some(value))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let Some((name, node)) = self.current.take() else { return Err(Problem::custom("a value without its key")) };
        // A conversion can fail after the value was visited, so the line is set here too.
        let line = node.line;
        seed.deserialize(node).map_err(|problem| problem.in_key(&name).at_line(line))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(|value| Self { line: None, value })
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Bool(boolean))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Value, E> {
        Ok(i64::try_from(integer)
            .map_or_else(|_| Value::Other("an integer outside of the range of 64 bits".to_owned()), Value::Integer))
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Value, E> {
        Ok(Value::Float(float))
    }

    fn visit_str<E: de::Error>(self, string: &str) -> Result<Value, E> {
        Ok(Value::String(string.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = elements.next_element()? {
            nodes.push(node);
        }
        Ok(Value::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, node)) = map.next_entry()? {
            entries.push(Entry { name, line: None, node });
        }
        Ok(Value::Table(entries))
    }
}
