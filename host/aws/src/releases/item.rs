//! Keys and attributes of items.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_event::Timestamp;
use tidegate_release::StoreError;
use tidegate_release::store::{Result, STATUS_DAYS, StoreFailure};

/// The attribute with the JSON of an item.
pub(super) const DOCUMENT: &str = "document";
/// The attribute with the generation of the rollout state, for conditions.
pub(super) const GENERATION: &str = "generation";
/// The attribute with the token of the transaction that wrote a change.
#[cfg(feature = "publish")]
pub(super) const TOKEN: &str = "token";
pub(super) const PARTITION: &str = "pk";
pub(super) const SORT: &str = "sk";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The attributes of an item.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The key of an item.
#[derive(Debug, Clone)]
pub(super) struct Key {
    partition: &'static str,
    sort: String,
}

/// An item and the table that it was read from.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) table: &'a str,
    pub(super) attributes: Attributes,
}

impl Key {
    /// Returns the key of the rollout state.
    pub(super) fn rollout_state() -> Self {
        Self { partition: "pointer", sort: "current".to_owned() }
    }

    /// Returns the key of the change that created a generation.
    #[cfg(feature = "publish")]
    pub(super) fn history(generation: u64) -> Self {
        Self { partition: HISTORY, sort: digits(generation) }
    }

    /// Returns the key of the halt of a canary's run.
    pub(super) fn halt(run: u64) -> Self {
        Self { partition: "halt", sort: digits(run) }
    }

    /// Returns the key of the event counts of a canary's run.
    pub(super) fn canary(run: u64) -> Self {
        Self { partition: "canary", sort: digits(run) }
    }

    /// Returns the key of the load reports of a release.
    pub(super) fn release(release: &str) -> Self {
        Self { partition: RELEASE, sort: release.to_owned() }
    }

    /// Returns the key as attributes.
    pub(super) fn attributes(&self) -> Attributes {
        let key = [(PARTITION, self.partition), (SORT, &self.sort)];
        key.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).collect()
    }
}

/// The partition of the history.
#[cfg(feature = "publish")]
pub(super) const HISTORY: &str = "history";
/// The partition of the load reports.
pub(super) const RELEASE: &str = "release";

/// Formats a number as a sort key. Sort keys sort in numeric order.
fn digits(number: u64) -> String {
    format!("{number:020}")
}

/// Returns the JSON of `value` as an attribute.
pub(super) fn document(value: &impl Serialize) -> AttributeValue {
    // Serialization cannot fail: every key is text and every value has a JSON form.
    AttributeValue::S(serde_json::to_string(value).unwrap_or_default())
}

/// Returns the expiry of a status item written at `now`, in seconds since the Unix epoch.
pub(super) fn expiry(now: Timestamp) -> u64 {
    now.saturating_add(DAY.saturating_mul(STATUS_DAYS)).seconds()
}

impl Item<'_> {
    /// Parses an attribute that contains JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        serde_json::from_str(text).map_err(|error| self.foreign(name, &error.to_string()))
    }

    /// Reads a string attribute.
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        match self.attributes.get(name) {
            Some(AttributeValue::S(text)) => Ok(text),
            Some(_) => Err(self.foreign(name, "it is not text")),
            None => Err(self.foreign(name, "it does not exist")),
        }
    }

    /// Reads a number attribute.
    pub(super) fn number(&self, name: &str) -> Result<u64> {
        match self.attributes.get(name) {
            Some(AttributeValue::N(number)) => {
                number.parse().map_err(|_| self.foreign(name, &format!("`{number}` is not a whole number")))
            }
            Some(_) => Err(self.foreign(name, "it is not a number")),
            None => Err(self.foreign(name, "it does not exist")),
        }
    }

    /// Reads a number attribute. Returns 0 if the attribute does not exist.
    pub(super) fn number_or_zero(&self, name: &str) -> Result<u64> {
        if self.attributes.contains_key(name) { self.number(name) } else { Ok(0) }
    }

    /// Returns the error for an attribute that this code would not write.
    pub(super) fn foreign(&self, name: &str, problem: &str) -> StoreError {
        let part = |name| self.attributes.get(name).and_then(|value| value.as_s().ok()).map_or("?", String::as_str);
        let partition = part(PARTITION);
        let sort = part(SORT);
        let table = self.table;
        let what = format!("cannot read the item `{partition}`, `{sort}` in the table `{table}`");
        StoreError::Invalid(StoreFailure::new(what, format!("invalid attribute `{name}`: {problem}")))
    }
}
