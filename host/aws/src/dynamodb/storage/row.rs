//! A document as a row of the table.
//!
//! The document's members are top-level attributes: an update of a member of a row that does not exist is an error in
//! DynamoDB where the member is nested, and creates the row where it is not. Beside them a row has its key, its version
//! and, where it expires, the time twice: in seconds for DynamoDB's time to live, and exactly.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_event::Timestamp;
use tidegate_ports::storage::{Error, Item, Key, MAX_ITEM_BYTES, Version, check_partition};

use super::document::{self, Members};
use crate::dynamodb::tables::TTL_ATTRIBUTE;

pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";
pub(super) const VERSION: &str = "tg:version";
/// Milliseconds since the epoch.
pub(super) const EXPIRES: &str = "tg:expires_at";
/// DynamoDB's limit of a partition key.
const MAX_PARTITION_BYTES: usize = 2_048;
/// DynamoDB's limit of a name.
const MAX_NAME_BYTES: usize = 65_535;

/// Whether a top-level name is the store's own.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, PARTITION | SORT | TTL_ATTRIBUTE) || name.starts_with("tg:")
}

/// Refuses a top-level name that a document cannot have.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if is_reserved(name) {
        return Err(Error::Invalid(format!("the top-level name `{name}` is reserved")));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::Invalid(format!("a name has over {MAX_NAME_BYTES} bytes")));
    }
    Ok(())
}

/// The partition key's attribute. The collection's own `#` are escaped, so that the first `#` ends it, and no
/// collection and partition make the key of others.
pub(super) fn partition_key(collection: &str, partition: &str) -> Result<AttributeValue, Error> {
    check_partition(partition)?;
    if collection.is_empty() {
        return Err(Error::Invalid("the collection's name is empty".to_owned()));
    }
    let key = format!("{}#{partition}", collection.replace('%', "%25").replace('#', "%23"));
    if key.len() > MAX_PARTITION_BYTES {
        return Err(Error::Invalid(format!("collection and partition have over {MAX_PARTITION_BYTES} bytes together")));
    }
    Ok(AttributeValue::S(key))
}

/// The key attributes of a document.
pub(super) fn key(collection: &str, key: &Key) -> Result<Members, Error> {
    key.check()?;
    let partition = partition_key(collection, &key.partition)?;
    Ok(Members::from([(PARTITION.to_owned(), partition), (SORT.to_owned(), AttributeValue::S(key.sort.clone()))]))
}

/// A row: the key, the document, its version and when it expires.
pub(super) fn row(
    key: Members,
    document: Members,
    version: &str,
    expires_at: Option<Timestamp>,
) -> Result<Members, Error> {
    for name in document.keys() {
        check_name(name)?;
    }
    let mut row = document;
    row.extend(key);
    row.insert(VERSION.to_owned(), AttributeValue::S(version.to_owned()));
    if let Some(time) = expires_at {
        row.insert(EXPIRES.to_owned(), AttributeValue::N(time.millis().to_string()));
        row.insert(TTL_ATTRIBUTE.to_owned(), AttributeValue::N(ttl_seconds(time).to_string()));
    }
    if document::size(&row) > MAX_ITEM_BYTES {
        return Err(Error::TooLarge);
    }
    Ok(row)
}

/// The second by which DynamoDB may delete the row: rounded up, so that none goes early.
pub(super) fn ttl_seconds(time: Timestamp) -> u64 {
    time.saturating_add(Duration::from_millis(999)).seconds()
}

/// When a row expires. A row that another program gave only a time to live has that one.
pub(super) fn expires_at(row: &Members) -> Option<Timestamp> {
    let number = |name| row.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<u64>().ok());
    number(EXPIRES)
        .map(Timestamp)
        .or_else(|| number(TTL_ATTRIBUTE).map(|seconds| Timestamp(seconds.saturating_mul(1_000))))
}

/// Whether a row is past its time.
pub(super) fn has_expired(row: &Members, now: Timestamp) -> bool {
    expires_at(row).is_some_and(|time| time <= now)
}

/// The sort key of a row.
pub(super) fn sort_key(row: &Members) -> Option<&str> {
    row.get(SORT).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The document of a row. One that another program wrote has an empty version, which no condition finds.
pub(super) fn item(key: Key, row: &Members) -> Result<Item, Error> {
    let version = row.get(VERSION).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    Ok(Item {
        key,
        document: document::write(row, |name| !is_reserved(name))?,
        version: Version(version),
        expires_at: expires_at(row),
    })
}
