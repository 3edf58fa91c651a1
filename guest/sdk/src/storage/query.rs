//! Reads of a partition, in the order of its sort keys.

use serde::de::DeserializeOwned;

use crate::bindings::route::tidegate::route::storage::{Order, QueryOptions, SortRange};
use crate::pages;
use crate::storage::{Collection, Error, Item};

/// The largest page that the host returns.
const MAX_PAGE: usize = 1_000;

/// A query of one partition. Sort keys compare by their UTF-8 bytes. Bounds are inclusive.
///
/// ```no_run
/// # use tidegate_guest::{Result, storage::Collection};
/// # #[derive(serde::Deserialize)]
/// # struct Post { text: String }
/// fn of_january(messages: &Collection) -> Result<Vec<String>> {
///     let items = messages.query("lobby").prefix("2026-01-").limit(100).items::<Post>();
///     items.map(|item| Ok(item?.document.text)).collect()
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query reads nothing until `items` or `page`"]
pub struct Query<'a> {
    collection: &'a Collection,
    partition: &'a str,
    range: Option<SortRange>,
    order: Order,
    limit: Option<usize>,
}

/// One page of a query. A page can have a cursor and fewer items than the limit.
///
/// ```no_run
/// # use tidegate_guest::{Result, storage::{Collection, Page}};
/// # #[derive(serde::Deserialize)]
/// # struct Post { text: String }
/// fn is_last(messages: &Collection, cursor: Option<String>) -> Result<bool> {
///     let page: Page<Post> = messages.query("lobby").limit(20).page(cursor)?;
///     Ok(page.cursor.is_none())
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items in the order of the query.
    pub items: Vec<Item<T>>,
    /// The cursor of the next page. None on the last page.
    pub cursor: Option<String>,
}

impl<'a> Query<'a> {
    pub(super) fn new(collection: &'a Collection, partition: &'a str) -> Self {
        Self { collection, partition, range: None, order: Order::Ascending, limit: None }
    }

    /// Selects the sort keys that start with a text.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").prefix("2026-01-");
    /// ```
    pub fn prefix(self, start: impl Into<String>) -> Self {
        self.range(SortRange::Prefix(start.into()))
    }

    /// Selects the sort keys that are equal to a bound or greater.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").at_least("2026-01-01");
    /// ```
    pub fn at_least(self, least: impl Into<String>) -> Self {
        self.range(SortRange::AtLeast(least.into()))
    }

    /// Selects the sort keys that are equal to a bound or less.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").at_most("2026-01-31");
    /// ```
    pub fn at_most(self, most: impl Into<String>) -> Self {
        self.range(SortRange::AtMost(most.into()))
    }

    /// Selects the sort keys between two bounds.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").between("2026-01-01", "2026-01-31");
    /// ```
    pub fn between(self, least: impl Into<String>, most: impl Into<String>) -> Self {
        self.range(SortRange::Between((least.into(), most.into())))
    }

    /// Reads from the greatest sort key to the least.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").descending();
    /// ```
    pub fn descending(mut self) -> Self {
        self.order = Order::Descending;
        self
    }

    /// Limits the number of items.
    ///
    /// ```no_run
    /// # let collection = tidegate_guest::storage::Collection::open("messages").unwrap();
    /// let query = collection.query("lobby").limit(20);
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns the items. The iterator reads page by page.
    ///
    /// An item is an error if its page could not be read, or if its document is not a `T`.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::Collection};
    /// # #[derive(serde::Deserialize)]
    /// # struct Post { text: String }
    /// fn print(messages: &Collection) -> Result<()> {
    ///     for item in messages.query("lobby").items::<Post>() {
    ///         println!("{}", item?.document.text);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn items<T: DeserializeOwned>(self) -> impl Iterator<Item = Result<Item<T>, Error>> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let items = pages::items(move |cursor| {
            let page = self.read(cursor)?;
            Ok((page.items, page.cursor))
        });
        items.take(limit).map(|item| item.and_then(Item::read))
    }

    /// Reads one page of at most the limit, or 1,000 without a limit, for a client that reads page by page.
    ///
    /// ```no_run
    /// # use tidegate_guest::{Result, storage::Collection};
    /// # #[derive(serde::Deserialize)]
    /// # struct Post { text: String }
    /// fn second_page(messages: &Collection) -> Result<Vec<String>> {
    ///     let first = messages.query("lobby").limit(20).page::<Post>(None)?;
    ///     let second = messages.query("lobby").limit(20).page::<Post>(first.cursor)?;
    ///     Ok(second.items.into_iter().map(|item| item.document.text).collect())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the cursor belongs to another query, [`Error::Document`] if a document is not a `T`.
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
        let limit = self.limit.unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let options = QueryOptions { range: self.range.clone(), order: self.order, limit, cursor };
        self.collection.check(self.collection.handle.query(self.partition, &options))
    }
}
