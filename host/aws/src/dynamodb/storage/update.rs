//! The changes in an update, as DynamoDB expressions or applied to an empty document.

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_event::Timestamp;
use tidegate_ports::storage::{Change, Condition, Error, MAX_ITEM_BYTES, WriteOptions};

use super::condition;
use super::document::{self, MAX_DEPTH, Members};
use super::number::shorten;
use super::row::{self, EXPIRES, VERSION};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::tables::TTL_ATTRIBUTE;

/// DynamoDB's maximum length of an expression.
const MAX_EXPRESSION_BYTES: usize = 4_096;
/// DynamoDB's maximum size of all names and values of a request's expressions.
const MAX_SUBSTITUTION_BYTES: usize = 2 << 20;
/// The maximum number of names in all paths of an update. Each takes at least the four bytes of `#n0.` in the
/// expression.
const MAX_NAMES: usize = MAX_EXPRESSION_BYTES / 4;
const TOO_LONG: &str = "an update has too many changes or too long paths";
/// The maximum number of changes. DynamoDB allows 300 operators and functions in an expression, and a change uses at
/// most two.
const MAX_CHANGES: usize = 100;
const NO_PARENT: &str = "a path leads through a member that does not exist";

/// A valid change.
#[derive(Debug, Clone)]
struct Step<'a> {
    path: &'a [String],
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Set(AttributeValue),
    Add(i64),
    Append(Vec<AttributeValue>),
    Remove,
}

/// The valid changes of one update.
#[derive(Debug, Clone)]
pub(super) struct Changes<'a> {
    steps: Vec<Step<'a>>,
}

/// The expressions of an UpdateItem.
#[derive(Debug)]
pub(super) struct Expressions {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) placeholders: Placeholders,
}

impl<'a> Changes<'a> {
    /// Parses and checks the changes.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a path or a value is not allowed, or two paths overlap; [`Error::TooLarge`] if the values
    /// alone exceed the size limit of a document.
    pub(super) fn read(changes: &'a [Change]) -> Result<Self, Error> {
        if changes.len() > MAX_CHANGES {
            return Err(Error::Invalid(format!("an update has over {MAX_CHANGES} changes")));
        }
        check_paths(changes)?;
        let steps: Vec<Step<'a>> = changes.iter().map(step).collect::<Result<_, _>>()?;
        check_overlap(&steps)?;
        let read = Self { steps };
        if read.size() > MAX_ITEM_BYTES {
            return Err(Error::TooLarge);
        }
        Ok(read)
    }

    /// Returns the size of the values in bytes, as DynamoDB counts them.
    pub(super) fn size(&self) -> usize {
        self.steps.iter().map(Step::size).sum()
    }

    /// Applies the changes to an empty document.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path of more than one name, because its parent does not exist.
    pub(super) fn fresh(&self) -> Result<Members, Error> {
        let mut document = Members::new();
        for Step { path, action } in &self.steps {
            let [name] = path else { return Err(Error::Invalid(NO_PARENT.to_owned())) };
            let value = match action {
                Action::Set(value) => value.clone(),
                Action::Add(by) => AttributeValue::N(by.to_string()),
                Action::Append(values) => AttributeValue::L(values.clone()),
                Action::Remove => continue,
            };
            document.insert(name.clone(), value);
        }
        Ok(document)
    }

    /// Returns the expressions that apply the changes to a row that has not expired.
    pub(super) fn expressions(
        &self,
        version: &str,
        options: &WriteOptions,
        now: Timestamp,
    ) -> Result<Expressions, Error> {
        let mut names = Placeholders::default();
        let mut set = vec![format!("{} = {}", names.name(VERSION), names.string(version))];
        if let Some(time) = options.expires_at {
            set.push(format!("{} = {}", names.name(EXPIRES), names.number(time.millis())));
            set.push(format!("{} = {}", names.name(TTL_ATTRIBUTE), names.number(row::ttl_seconds(time))));
        }
        let mut remove = Vec::new();
        for Step { path, action } in &self.steps {
            let path = path.iter().map(|name| names.name(name)).collect::<Vec<_>>().join(".");
            match action {
                Action::Set(value) => set.push(format!("{path} = {}", names.value(value.clone()))),
                Action::Add(by) => {
                    set.push(format!("{path} = if_not_exists({path}, {}) + {}", names.number(0), names.number(by)));
                }
                Action::Append(values) => {
                    let empty = names.value(AttributeValue::L(Vec::new()));
                    let values = names.value(AttributeValue::L(values.clone()));
                    set.push(format!("{path} = list_append(if_not_exists({path}, {empty}), {values})"));
                }
                Action::Remove => remove.push(path),
            }
        }
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        if update.len() > MAX_EXPRESSION_BYTES {
            return Err(Error::Invalid(TOO_LONG.to_owned()));
        }
        let condition = update_condition(&mut names, options.condition.as_ref(), now);
        Ok(Expressions { update, condition, placeholders: names })
    }
}

/// Returns the condition of an update. The condition is false for a row that has expired but is not deleted yet,
/// because the update would keep old members of the row.
fn update_condition(names: &mut Placeholders, wanted: Option<&Condition>, now: Timestamp) -> String {
    match wanted {
        Some(wanted) => condition::expression(names, wanted, now),
        None => condition::not_expired(names, now),
    }
}

impl Step<'_> {
    fn size(&self) -> usize {
        match &self.action {
            Action::Set(value) => document::size_of_value(value),
            Action::Append(values) => values.iter().map(document::size_of_value).sum(),
            Action::Add(_) | Action::Remove => 0,
        }
    }
}

fn step(change: &Change) -> Result<Step<'_>, Error> {
    let (path, action) = match change {
        Change::Set { path, value } => (path, Action::Set(document::read_value(value, path.len())?)),
        Change::Add { path, by } => (path, Action::Add(*by)),
        Change::Append { path, values } => match document::read_value(values, path.len())? {
            AttributeValue::L(values) => (path, Action::Append(values)),
            _ => return Err(Error::Invalid("the appended value is not a JSON array".to_owned())),
        },
        Change::Remove { path } => (path, Action::Remove),
    };
    check_path(path)?;
    Ok(Step { path, action })
}

/// Checks the number and the length of all names, before any of them is copied.
fn check_paths(changes: &[Change]) -> Result<(), Error> {
    let names = || changes.iter().flat_map(Change::path);
    let fits = names().count() <= MAX_NAMES && names().map(String::len).sum::<usize>() <= MAX_SUBSTITUTION_BYTES;
    if fits { Ok(()) } else { Err(Error::Invalid(TOO_LONG.to_owned())) }
}

fn check_path(path: &[String]) -> Result<(), Error> {
    let Some(top) = path.first() else { return Err(Error::Invalid("a path is empty".to_owned())) };
    row::check_name(top)?;
    if path.len() > MAX_DEPTH {
        return Err(Error::Invalid(format!("a path has over {MAX_DEPTH} names")));
    }
    if path.iter().any(String::is_empty) {
        return Err(Error::Invalid("a path has an empty name".to_owned()));
    }
    Ok(())
}

/// Rejects two changes to one member, or to a member and another member inside it: DynamoDB does not define their
/// order.
fn check_overlap(steps: &[Step<'_>]) -> Result<(), Error> {
    let mut paths: Vec<&[String]> = steps.iter().map(|step| step.path).collect();
    // In sorted order, a path that is a prefix of others comes directly before one of them.
    paths.sort_unstable();
    for pair in paths.windows(2) {
        if let [a, b] = pair
            && b.starts_with(a)
        {
            return Err(Error::Invalid(format!("two changes overlap at `{}`", shorten(&a.join(".")))));
        }
    }
    Ok(())
}
