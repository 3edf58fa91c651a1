//! A document as a row of the table.
//!
//! The members of the document are top-level attributes. If the row does not exist, an update of a top-level attribute
//! creates the row, but an update of a nested attribute fails. A row also has its key and its version. If the row
//! expires, it has the expiry time in seconds for DynamoDB's time to live, and in milliseconds.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_event::Timestamp;
use tidegate_ports::storage::{Error, Item, Key, MAX_ITEM_BYTES, Version, check_partition};

use super::document::{self, Members};
use super::number::shorten;
use crate::dynamodb::tables::TTL_ATTRIBUTE;

pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";
pub(super) const VERSION: &str = "tg:version";
/// The attribute with the expiry time in milliseconds since the epoch.
pub(super) const EXPIRES: &str = "tg:expires_at";
/// DynamoDB's maximum length of a partition key.
const MAX_PARTITION_BYTES: usize = 2_048;
/// DynamoDB's maximum length of an attribute name.
const MAX_NAME_BYTES: usize = 65_535;

/// Returns true if a top-level name is reserved for the store.
pub(super) fn is_reserved(name: &str) -> bool {
    matches!(name, PARTITION | SORT | TTL_ATTRIBUTE) || name.starts_with("tg:")
}

/// Checks that a document may use a top-level name.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if is_reserved(name) {
        return Err(Error::Invalid(format!("the top-level name `{}` is reserved", shorten(name))));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::Invalid(format!("a name has over {MAX_NAME_BYTES} bytes")));
    }
    Ok(())
}

/// Returns the partition key. Each `#` in the name of the collection is escaped, so the first `#` ends the name.
/// Different pairs of collection and partition therefore have different keys.
pub(super) fn partition_key(collection: &str, partition: &str) -> Result<AttributeValue, Error> {
    check_partition(partition)?;
    if collection.is_empty() {
        return Err(Error::Invalid("the name of the collection is empty".to_owned()));
    }
    let key = format!("{}#{partition}", collection.replace('%', "%25").replace('#', "%23"));
    if key.len() > MAX_PARTITION_BYTES {
        return Err(Error::Invalid(format!("collection and partition have over {MAX_PARTITION_BYTES} bytes together")));
    }
    Ok(AttributeValue::S(key))
}

/// Returns the key attributes of a document.
pub(super) fn key(collection: &str, key: &Key) -> Result<Members, Error> {
    key.check()?;
    let partition = partition_key(collection, &key.partition)?;
    Ok(Members::from([(PARTITION.to_owned(), partition), (SORT.to_owned(), AttributeValue::S(key.sort.clone()))]))
}

/// Returns a row with the key, the document, its version and its expiry.
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

/// Returns the time to live in seconds. The time is rounded up, so DynamoDB does not delete a row early.
pub(super) fn ttl_seconds(time: Timestamp) -> u64 {
    time.saturating_add(Duration::from_millis(999)).seconds()
}

/// Returns the expiry of a row. A row written by another program may have only a time to live.
pub(super) fn expires_at(row: &Members) -> Option<Timestamp> {
    let number = |name| row.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<u64>().ok());
    number(EXPIRES)
        .map(Timestamp)
        .or_else(|| number(TTL_ATTRIBUTE).map(|seconds| Timestamp(seconds.saturating_mul(1_000))))
}

/// Returns true if a row has expired.
pub(super) fn has_expired(row: &Members, now: Timestamp) -> bool {
    expires_at(row).is_some_and(|time| time <= now)
}

/// Returns the sort key of a row.
pub(super) fn sort_key(row: &Members) -> Option<&str> {
    row.get(SORT).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// Reads the document of a row. A row written by another program has an empty version, which no condition matches.
pub(super) fn item(key: Key, row: &Members) -> Result<Item, Error> {
    let version = row.get(VERSION).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    Ok(Item {
        key,
        document: document::write(row, |name| !is_reserved(name))?,
        version: Version(version),
        expires_at: expires_at(row),
    })
}
