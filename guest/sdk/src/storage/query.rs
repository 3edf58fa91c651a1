//! Reading a partition in the order of its sort keys.

use serde::de::DeserializeOwned;

use crate::bindings::route::tidegate::route::storage::{Order, QueryOptions, SortRange};
use crate::pages;
use crate::storage::{Collection, Error, Item};

/// The largest page that the host gives.
const LARGEST_PAGE: usize = 1_000;

/// A question about one partition. Sort keys compare by their UTF-8 bytes; bounds are inclusive.
#[derive(Debug, Clone)]
#[must_use = "a query reads nothing until `items` or `page`"]
pub struct Query<'a> {
    collection: &'a Collection,
    partition: &'a str,
    range: Option<SortRange>,
    order: Order,
    limit: Option<usize>,
}

/// Some items, and where the next ones begin; a page may hold fewer than asked for, and still have a cursor.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<Item<T>>,
    /// What the next page is asked for with; none on the last.
    pub cursor: Option<String>,
}

impl<'a> Query<'a> {
    pub(super) fn new(collection: &'a Collection, partition: &'a str) -> Self {
        Self { collection, partition, range: None, order: Order::Ascending, limit: None }
    }

    /// Only sort keys that start so.
    pub fn prefix(self, start: impl Into<String>) -> Self {
        self.range(SortRange::Prefix(start.into()))
    }

    /// Only sort keys that are that or greater.
    pub fn at_least(self, least: impl Into<String>) -> Self {
        self.range(SortRange::AtLeast(least.into()))
    }

    /// Only sort keys that are that or smaller.
    pub fn at_most(self, most: impl Into<String>) -> Self {
        self.range(SortRange::AtMost(most.into()))
    }

    /// Only sort keys from one to another.
    pub fn between(self, least: impl Into<String>, most: impl Into<String>) -> Self {
        self.range(SortRange::Between((least.into(), most.into())))
    }

    /// From the greatest sort key to the smallest.
    pub fn descending(mut self) -> Self {
        self.order = Order::Descending;
        self
    }

    /// At most so many items.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The items, read page by page as they are asked for. Each is an error when its page could not be read, or when
    /// the document is not a `T`.
    pub fn items<T: DeserializeOwned>(self) -> impl Iterator<Item = Result<Item<T>, Error>> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let items = pages::items(move |cursor| {
            let page = self.read(cursor)?;
            Ok((page.items, page.cursor))
        });
        items.take(limit).map(|item| item.and_then(Item::read))
    }

    /// One page, of at most the limit (1,000 where there is none), for a client that pages by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the cursor is of another query, [`Error::Document`] when a document is not a `T`.
    pub fn page<T: DeserializeOwned>(self, cursor: Option<String>) -> Result<Page<T>, Error> {
        let page = self.read(cursor)?;
        let items = page.items.into_iter().map(Item::read).collect::<Result<_, _>>()?;
        Ok(Page { items, cursor: page.cursor })
    }

    fn range(mut self, range: SortRange) -> Self {
        self.range = Some(range);
        self
    }

    fn read(&self, cursor: Option<String>) -> Result<super::host::Page, Error> {
        let limit = self.limit.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let options = QueryOptions { range: self.range.clone(), order: self.order, limit, cursor };
        self.collection.check(self.collection.handle.query(self.partition, &options))
    }
}
