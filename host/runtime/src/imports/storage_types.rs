//! Conversions between the types of the storage port and those of the bindings, and their sizes.

use tidegate_event::Timestamp;
use tidegate_ports::storage;

use crate::bindings::tidegate::route::storage as wit;

/// Returns the bytes that an item takes from the budget for host calls.
pub(super) fn size_of_item(item: &storage::Item) -> usize {
    item.document.len() + item.key.partition.len() + item.key.sort.len() + item.version.0.len()
}

/// Returns the bytes that an operation takes from the budget for host calls.
pub(super) fn size_of_action(action: &storage::Action) -> usize {
    match action {
        storage::Action::Put(document, _) => document.len(),
        storage::Action::Update(changes, _) => changes.iter().map(size_of_change).sum(),
        storage::Action::Delete(_) | storage::Action::Check(_) => 0,
    }
}

/// Returns the bytes that a change takes from the budget for host calls.
pub(super) fn size_of_change(change: &storage::Change) -> usize {
    let (path, value) = match change {
        storage::Change::Set { path, value } => (path, value.len()),
        storage::Change::Append { path, values } => (path, values.len()),
        storage::Change::Add { path, .. } => (path, size_of::<i64>()),
        storage::Change::Remove { path } => (path, 0),
    };
    value + path.iter().map(String::len).sum::<usize>()
}

impl From<wit::Key> for storage::Key {
    fn from(key: wit::Key) -> Self {
        Self { partition: key.partition, sort: key.sort }
    }
}

impl From<storage::Item> for wit::Item {
    fn from(item: storage::Item) -> Self {
        Self {
            key: wit::Key { partition: item.key.partition, sort: item.key.sort },
            document: item.document,
            version: item.version.0,
            expires_at: item.expires_at.map(Timestamp::millis),
        }
    }
}

impl From<wit::Condition> for storage::Condition {
    fn from(condition: wit::Condition) -> Self {
        match condition {
            wit::Condition::Absent => Self::Absent,
            wit::Condition::Present => Self::Present,
            wit::Condition::Version(version) => Self::Version(storage::Version(version)),
        }
    }
}

impl From<wit::WriteOptions> for storage::WriteOptions {
    fn from(options: wit::WriteOptions) -> Self {
        Self { condition: options.condition.map(Into::into), expires_at: options.expires_at.map(Timestamp) }
    }
}

impl From<wit::Change> for storage::Change {
    fn from(change: wit::Change) -> Self {
        match change {
            wit::Change::Set(wit::Assignment { path, value }) => Self::Set { path, value },
            wit::Change::Add(wit::Increment { path, by }) => Self::Add { path, by },
            wit::Change::Append(wit::Assignment { path, value }) => Self::Append { path, values: value },
            wit::Change::Remove(path) => Self::Remove { path },
        }
    }
}

impl From<wit::Action> for storage::Action {
    fn from(action: wit::Action) -> Self {
        match action {
            wit::Action::Put((document, options)) => Self::Put(document, options.into()),
            wit::Action::Update((changes, options)) => {
                Self::Update(changes.into_iter().map(Into::into).collect(), options.into())
            }
            wit::Action::Delete(condition) => Self::Delete(condition.map(Into::into)),
            wit::Action::Check(condition) => Self::Check(condition.into()),
        }
    }
}

impl From<wit::QueryOptions> for storage::QueryOptions {
    fn from(options: wit::QueryOptions) -> Self {
        let range = options.range.map(|range| match range {
            wit::SortRange::Prefix(start) => storage::SortRange::Prefix(start),
            wit::SortRange::AtLeast(first) => storage::SortRange::AtLeast(first),
            wit::SortRange::AtMost(last) => storage::SortRange::AtMost(last),
            wit::SortRange::Between((first, last)) => storage::SortRange::Between(first, last),
        });
        let order = match options.order {
            wit::Order::Ascending => storage::Order::Ascending,
            wit::Order::Descending => storage::Order::Descending,
        };
        Self { range, order, limit: options.limit, cursor: options.cursor.map(storage::Cursor) }
    }
}

impl From<storage::Error> for wit::Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Invalid(problem) => Self::Invalid(problem),
            storage::Error::Conflict => Self::Conflict,
            storage::Error::TooLarge => Self::TooLarge,
            storage::Error::Throttled => Self::Throttled,
            _ => Self::Unavailable,
        }
    }
}
