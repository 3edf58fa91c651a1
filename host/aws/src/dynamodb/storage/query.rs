//! Pages of a partition.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_ports::Deadline;
use tidegate_ports::storage::{
    Cursor, Error, Item, Key, MAX_KEY_BYTES, Order, Page, QueryOptions, SortRange, check_query_limit,
};

use super::document::Members;
use super::{DynamoStorage, row};
use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::token;
use crate::http::retry::{self, RetryPolicy};

/// The maximum number of requests for one page. DynamoDB counts expired rows and stops at 1 MB, so a page may need
/// several requests. At the maximum, the page is short and has a cursor.
const MAX_ROUNDS: usize = 4;
/// The minimum number of rows that each request after the first reads: expired rows often occur together.
const MIN_REFILL: usize = 100;

/// A valid query.
struct Reader<'a> {
    partition: AttributeValue,
    bounds: Bounds<'a>,
    scope: Vec<&'a str>,
    options: &'a QueryOptions,
}

/// The range of sort keys. An empty upper bound matches nothing, because no sort key is empty.
#[derive(Clone, Copy)]
enum Bounds<'a> {
    Prefix(&'a str),
    Between(&'a str, &'a str),
    AtLeast(&'a str),
    AtMost(&'a str),
    All,
    None,
}

impl DynamoStorage {
    pub(super) async fn page(
        &self,
        collection: &str,
        partition: &str,
        options: &QueryOptions,
        deadline: Deadline,
    ) -> Result<Page, Error> {
        let reader = Reader::new(collection, partition, options)?;
        let mut start = reader.start()?;
        if matches!(reader.bounds, Bounds::None) {
            return Ok(Page { items: Vec::new(), cursor: None });
        }
        let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
        let mut items = Vec::with_capacity(limit.min(128));
        for round in 0..MAX_ROUNDS {
            let missing = limit - items.len();
            let read = if round == 0 { missing } else { missing.max(MIN_REFILL) };
            let request = reader.request(self.client.query().table_name(&self.table), start.as_deref(), read);
            let answer = retry::send("Query", RetryPolicy::Safe, deadline, || request.clone().send()).await?;
            let taken = self.take(partition, answer.items(), limit, &mut items)?;
            start = match taken {
                Some(last) => Some(last),
                None => answer.last_evaluated_key().and_then(row::sort_key).map(str::to_owned),
            };
            if start.is_none() || items.len() == limit {
                break;
            }
        }
        Ok(Page { items, cursor: start.map(|sort| Cursor(token::cursor(&reader.scope, &sort))) })
    }

    /// Adds rows until the page is full. Returns the sort key of the last added row if rows are left over.
    fn take(
        &self,
        partition: &str,
        rows: &[Members],
        limit: usize,
        items: &mut Vec<Item>,
    ) -> Result<Option<String>, Error> {
        let now = self.clock.now();
        for found in rows.iter().filter(|row| !row::has_expired(row, now)) {
            if items.len() == limit {
                return Ok(items.last().map(|item| item.key.sort.clone()));
            }
            let sort = row::sort_key(found).unwrap_or_default().to_owned();
            items.push(row::item(Key { partition: partition.to_owned(), sort }, found)?);
        }
        Ok(None)
    }
}

impl<'a> Reader<'a> {
    fn new(collection: &'a str, partition: &'a str, options: &'a QueryOptions) -> Result<Self, Error> {
        check_query_limit(options.limit)?;
        let bounds = bounds(options.range.as_ref())?;
        let order = match options.order {
            Order::Ascending => "ascending",
            Order::Descending => "descending",
        };
        let (kind, first, second) = match bounds {
            Bounds::Prefix(prefix) => ("prefix", prefix, ""),
            Bounds::Between(from, to) => ("between", from, to),
            Bounds::AtLeast(from) => ("at-least", from, ""),
            Bounds::AtMost(to) => ("at-most", to, ""),
            Bounds::All => ("all", "", ""),
            Bounds::None => ("none", "", ""),
        };
        Ok(Self {
            partition: row::partition_key(collection, partition)?,
            bounds,
            scope: vec!["query", collection, partition, order, kind, first, second],
            options,
        })
    }

    /// Returns the sort key after which the page starts.
    fn start(&self) -> Result<Option<String>, Error> {
        let Some(cursor) = &self.options.cursor else { return Ok(None) };
        match token::position(&self.scope, &cursor.0) {
            Some(sort) => Ok(Some(sort)),
            None => Err(Error::Invalid("the cursor does not belong to this query".to_owned())),
        }
    }

    fn request(&self, request: QueryFluentBuilder, start: Option<&str>, read: usize) -> QueryFluentBuilder {
        let mut names = Placeholders::default();
        let mut condition = format!("{} = {}", names.name(row::PARTITION), names.value(self.partition.clone()));
        let sort = match self.bounds {
            Bounds::Prefix(prefix) => format!("begins_with({}, {})", names.name(row::SORT), names.string(prefix)),
            Bounds::Between(from, to) => {
                format!("{} BETWEEN {} AND {}", names.name(row::SORT), names.string(from), names.string(to))
            }
            Bounds::AtLeast(from) => format!("{} >= {}", names.name(row::SORT), names.string(from)),
            Bounds::AtMost(to) => format!("{} <= {}", names.name(row::SORT), names.string(to)),
            Bounds::All | Bounds::None => String::new(),
        };
        if !sort.is_empty() {
            condition = format!("{condition} AND {sort}");
        }
        let (names, values) = names.into_parts();
        let start = start.map(|sort| {
            Members::from([
                (row::PARTITION.to_owned(), self.partition.clone()),
                (row::SORT.to_owned(), AttributeValue::S(sort.to_owned())),
            ])
        });
        request
            .consistent_read(true)
            .key_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .scan_index_forward(self.options.order == Order::Ascending)
            .limit(i32::try_from(read).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
    }
}

fn bounds(range: Option<&SortRange>) -> Result<Bounds<'_>, Error> {
    let bounds = match range {
        None => Bounds::All,
        Some(SortRange::Prefix(prefix)) if prefix.is_empty() => Bounds::All,
        Some(SortRange::Prefix(prefix)) => Bounds::Prefix(prefix),
        Some(SortRange::AtLeast(from)) if from.is_empty() => Bounds::All,
        Some(SortRange::AtLeast(from)) => Bounds::AtLeast(from),
        Some(SortRange::AtMost(to)) if to.is_empty() => Bounds::None,
        Some(SortRange::AtMost(to)) => Bounds::AtMost(to),
        Some(SortRange::Between(from, to)) if from > to => {
            return Err(Error::Invalid("the lower bound of the range is above the upper one".to_owned()));
        }
        Some(SortRange::Between(_, to)) if to.is_empty() => Bounds::None,
        Some(SortRange::Between(from, to)) if from.is_empty() => Bounds::AtMost(to),
        Some(SortRange::Between(from, to)) => Bounds::Between(from, to),
    };
    let (first, second) = match bounds {
        Bounds::Between(from, to) => (from, to),
        Bounds::Prefix(text) | Bounds::AtLeast(text) | Bounds::AtMost(text) => (text, ""),
        Bounds::All | Bounds::None => ("", ""),
    };
    if first.len().max(second.len()) > MAX_KEY_BYTES {
        return Err(Error::Invalid(format!("a bound of the range has over {MAX_KEY_BYTES} bytes")));
    }
    Ok(bounds)
}
