//! Keys and attributes of items.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_event::Timestamp;
use tidegate_release::StoreError;
use tidegate_release::store::{Result, STATUS_DAYS};

/// The attribute of an item's JSON.
pub(super) const DOCUMENT: &str = "document";
/// The attribute of the pointer's generation, for the condition of its next move.
pub(super) const GENERATION: &str = "generation";
/// The attribute of the token of the transaction that wrote an item of history.
#[cfg(feature = "publish")]
pub(super) const TOKEN: &str = "token";
pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An item's attributes.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The key of an item.
#[derive(Debug, Clone)]
pub(super) struct Key {
    partition: &'static str,
    sort: String,
}

/// An item that was read, with what its errors name.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) table: &'a str,
    pub(super) attributes: Attributes,
}

impl Key {
    /// The key of the pointer.
    pub(super) fn pointer() -> Self {
        Self { partition: "pointer", sort: "current".to_owned() }
    }

    /// The key of the change that made a generation.
    #[cfg(feature = "publish")]
    pub(super) fn history(generation: u64) -> Self {
        Self { partition: HISTORY, sort: digits(generation) }
    }

    /// The key of the halt of a canary's run.
    pub(super) fn halt(run: u64) -> Self {
        Self { partition: "halt", sort: digits(run) }
    }

    /// The key of what a canary's run has done.
    pub(super) fn canary(run: u64) -> Self {
        Self { partition: "canary", sort: digits(run) }
    }

    /// The key of what hosts reported of a release.
    pub(super) fn release(release: &str) -> Self {
        Self { partition: RELEASE, sort: release.to_owned() }
    }

    /// As DynamoDB takes it.
    pub(super) fn attributes(&self) -> Attributes {
        let key = [(PARTITION, self.partition), (SORT, &self.sort)];
        key.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).collect()
    }
}

/// The partition of history.
#[cfg(feature = "publish")]
pub(super) const HISTORY: &str = "history";
/// The partition of what hosts reported of releases.
pub(super) const RELEASE: &str = "release";

/// A number as a sort key: keys sort as their numbers do.
fn digits(number: u64) -> String {
    format!("{number:020}")
}

/// The JSON of `value`, as an attribute.
pub(super) fn document(value: &impl Serialize) -> AttributeValue {
    // Every key is text and every value has a JSON form, so this cannot fail.
    AttributeValue::S(serde_json::to_string(value).unwrap_or_default())
}

/// When DynamoDB may remove an item of the status that is written now.
pub(super) fn expiry(now: Timestamp) -> u64 {
    now.saturating_add(DAY.saturating_mul(STATUS_DAYS)).seconds()
}

impl Item<'_> {
    /// The value of an attribute that is JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        serde_json::from_str(text).map_err(|error| self.foreign(name, &error.to_string()))
    }

    /// An attribute that is text.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        match self.attributes.get(name) {
            Some(AttributeValue::S(text)) => Ok(text),
            Some(_) => Err(self.foreign(name, "it is no text")),
            None => Err(self.foreign(name, "it is not there")),
        }
    }

    /// An attribute that is a number.
    pub(super) fn number(&self, name: &str) -> Result<u64> {
        match self.attributes.get(name) {
            Some(AttributeValue::N(number)) => {
                number.parse().map_err(|_| self.foreign(name, &format!("`{number}` is no whole number")))
            }
            Some(_) => Err(self.foreign(name, "it is no number")),
            None => Err(self.foreign(name, "it is not there")),
        }
    }

    /// The same, 0 where it is not there.
    pub(super) fn number_or_zero(&self, name: &str) -> Result<u64> {
        if self.attributes.contains_key(name) { self.number(name) } else { Ok(0) }
    }

    /// That an attribute is not what this code writes.
    pub(super) fn foreign(&self, name: &str, problem: &str) -> StoreError {
        let part = |name| self.attributes.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        let (partition, sort, table) = (part(PARTITION), part(SORT), self.table);
        StoreError::Invalid(format!(
            "the item `{partition}`, `{sort}` in the table `{table}` makes no sense: `{name}`: {problem}"
        ))
    }
}
