//! Documents: JSON to DynamoDB's attribute values and back.

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::Result;
use serde_json::{Map, Value, json};
use tidegate_aws::dynamodb::client;
use tidegate_aws::{DynamoStorage, Tables};
use tidegate_ports::storage::{Error, Key, WriteOptions};
use tidegate_ports::{Deadline, Storage};
use tokio::runtime::{Builder, Runtime};

use crate::json::Json;
use crate::table::Table;
use crate::values::{Source, count, text};

/// The names of a row that are not a part of its document.
const RESERVED: [&str; 3] = ["pk", "sk", "expires_at"];
/// DynamoDB's maximum number of significant digits.
const MAX_DIGITS: usize = 38;

struct Store {
    runtime: Runtime,
    table: Table,
    storage: DynamoStorage,
}

thread_local! {
    static STORE: Store = Store::new();
}

/// A document that is stored is read with equal numbers, texts and members, and is then stored as the same attribute
/// values. Rows of other programs are read as JSON or refused.
pub fn document(data: &[u8]) {
    STORE.with(|store| {
        if let Ok(text) = std::str::from_utf8(data) {
            let _ = store.round_trip(text);
        }
        values(store, &mut Source::new(data)).expect("an exhausted source still makes values");
    });
}

fn values(store: &Store, source: &mut Source<'_>) -> Result<()> {
    let mut document = String::new();
    object(source, 0, &mut document)?;
    store.round_trip(&document).unwrap_or_else(|error| panic!("{document} is refused: {error}"));
    store.read_row(row(source, 0)?);
    Ok(())
}

impl Store {
    fn new() -> Self {
        let table = Table::default();
        let storage = DynamoStorage::new(client::local(table.clone()), &Tables::default());
        Self { runtime: Builder::new_current_thread().enable_all().build().unwrap(), table, storage }
    }

    /// Stores a document and reads it twice.
    fn round_trip(&self, text: &str) -> Result<(), Error> {
        self.put(text)?;
        let row = self.row();
        let document = self.get().expect("a stored document can be read").expect("a stored document exists");
        assert_eq!(Json::read(&document), Json::read(text));
        self.put(&document).expect("a document that was read can be stored");
        assert_eq!(self.row(), row, "a document has one form");
        Ok(())
    }

    /// Reads a row of another program. Its document can be stored unless it has a value that only sets have.
    fn read_row(&self, row: Value) {
        self.table.set_row(row);
        if let Ok(Some(document)) = self.get() {
            assert!(document.starts_with('{'), "{document} is not an object");
            serde_json::from_str::<&serde_json::value::RawValue>(&document).expect("a document is JSON");
            let _ = self.round_trip(&document);
        }
    }

    /// Returns the attribute values without the version, which each write changes.
    fn row(&self) -> Value {
        let mut row = self.table.row().unwrap();
        row.as_object_mut().unwrap().remove("tg:version").expect("a row has a version");
        row
    }

    fn put(&self, document: &str) -> Result<(), Error> {
        let (key, options) = (key(), WriteOptions::default());
        self.runtime.block_on(self.storage.put("rooms", &key, document, &options, soon())).map(drop)
    }

    fn get(&self) -> Result<Option<String>, Error> {
        let item = self.runtime.block_on(self.storage.get("rooms", &key(), soon()))?;
        Ok(item.map(|item| item.document))
    }
}

fn key() -> Key {
    Key { partition: "p".to_owned(), sort: "s".to_owned() }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Writes a JSON value that DynamoDB can store.
fn value(source: &mut Source<'_>, depth: usize, out: &mut String) -> Result<()> {
    match source.arbitrary::<u8>()? % if depth < 4 { 8 } else { 6 } {
        0 => out.push_str("null"),
        1 => out.push_str("true"),
        2 => out.push_str("false"),
        3 => out.push_str(&string(source)?),
        4 | 5 => number(source, out)?,
        6 => object(source, depth + 1, out)?,
        _ => {
            out.push('[');
            for index in 0..count(source, 0, 3)? {
                out.push_str(if index > 0 { " ," } else { "" });
                value(source, depth + 1, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn object(source: &mut Source<'_>, depth: usize, out: &mut String) -> Result<()> {
    let mut names = BTreeSet::new();
    for _ in 0..count(source, 0, 4)? {
        let name = text(source, 1, 4)?;
        if !RESERVED.contains(&name.as_str()) && !name.starts_with("tg:") {
            names.insert(name);
        }
    }
    out.push('{');
    for (index, name) in names.iter().enumerate() {
        out.push_str(if index > 0 { ",\n" } else { "" });
        out.push_str(&serde_json::to_string(name).unwrap());
        out.push(':');
        value(source, depth, out)?;
    }
    out.push('}');
    Ok(())
}

/// Writes a string, with or without escapes for all its characters.
fn string(source: &mut Source<'_>) -> Result<String> {
    let text = text(source, 0, 6)?;
    if source.arbitrary()? {
        return Ok(serde_json::to_string(&text).unwrap());
    }
    let escapes: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    Ok(format!("\"{escapes}\""))
}

/// Writes a number in DynamoDB's range, in one of its many forms.
fn number(source: &mut Source<'_>, out: &mut String) -> Result<()> {
    out.push_str(if source.arbitrary()? { "-" } else { "" });
    let length = count(source, 1, MAX_DIGITS)?;
    let mut digits = String::new();
    for index in 0..length {
        let digit = source.arbitrary::<u8>()? % 10;
        digits.push(char::from(b'0' + if index == 0 { digit.max(1) } else { digit }));
    }
    let point = count(source, 0, length)?;
    let (whole, fraction) = digits.split_at(point);
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    // The power of ten of the first digit is from -130 to 125.
    let first = i64::try_from(point).unwrap() - 1;
    let exponent = source.int_in_range(-130 - first..=125 - first)?;
    match source.arbitrary::<u8>()? % 4 {
        _ if exponent == 0 => {}
        0 if exponent > 0 => out.push_str(&format!("E+{exponent}")),
        1 if exponent > 0 => out.push_str(&format!("e00{exponent}")),
        _ => out.push_str(&format!("e{exponent}")),
    }
    Ok(())
}

/// Makes the attribute values of another program.
fn row(source: &mut Source<'_>, depth: usize) -> Result<Value> {
    let mut row = Map::new();
    for _ in 0..count(source, 0, 4)? {
        let name = match source.arbitrary::<u8>()? {
            byte @ 0..16 => RESERVED[usize::from(byte) % RESERVED.len()].to_owned(),
            _ => text(source, 0, 4)?,
        };
        row.insert(name, attribute(source, depth)?);
    }
    Ok(Value::Object(row))
}

fn attribute(source: &mut Source<'_>, depth: usize) -> Result<Value> {
    let length = count(source, 0, 3)?;
    Ok(match source.arbitrary::<u8>()? % if depth < 4 { 10 } else { 8 } {
        0 => json!({ "S": text(source, 0, 6)? }),
        1 | 2 => json!({ "N": odd_number(source)? }),
        3 => json!({ "BOOL": source.arbitrary::<bool>()? }),
        4 => json!({ "NULL": source.arbitrary::<bool>()? }),
        5 => json!({ "B": "AAEC" }),
        6 => json!({ "SS": (0..length).map(|_| text(source, 0, 4)).collect::<Result<Vec<_>>>()? }),
        7 => json!({ "NS": (0..length).map(|_| odd_number(source)).collect::<Result<Vec<_>>>()? }),
        8 => json!({ "M": row(source, depth + 1)? }),
        _ => json!({ "L": (0..length).map(|_| attribute(source, depth + 1)).collect::<Result<Vec<_>>>()? }),
    })
}

/// Makes a text like a number.
fn odd_number(source: &mut Source<'_>) -> Result<String> {
    const CHARACTERS: &[u8; 16] = b"0123456789.-+eE ";
    let length = count(source, 0, 12)?;
    (0..length).map(|_| Ok(char::from(CHARACTERS[usize::from(source.arbitrary::<u8>()?) % 16]))).collect()
}
