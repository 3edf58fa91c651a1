//! Queries of a partition.

use super::{COLLECTION, TestClock, assert_invalid, key, put, soon};
use tidegate_ports::storage::{Cursor, MAX_KEY_BYTES, MAX_QUERY_LIMIT, Order, Page, QueryOptions, SortRange, Storage};

fn options(range: Option<SortRange>, order: Order, limit: u32) -> QueryOptions {
    QueryOptions { range, order, limit, cursor: None }
}

fn sorts(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.key.sort.as_str()).collect()
}

async fn query(port: &dyn Storage, options: &QueryOptions) -> Page {
    port.query(COLLECTION, "p", options, soon()).await.unwrap()
}

pub(super) async fn sort_keys_are_ordered_by_bytes(port: &dyn Storage, _: &TestClock) {
    let ordered = ["#", "1", "10", "2", "A", "Z", "a", "aa", "ab", "b", "z", "é", "\u{ffff}", "🦀"];
    for sort in ordered.iter().rev() {
        put(port, &key("p", sort), "{}").await;
    }
    let page = query(port, &options(None, Order::Ascending, 100)).await;
    assert_eq!(sorts(&page), ordered);
    assert_eq!(page.cursor, None);
    let page = query(port, &options(None, Order::Descending, 100)).await;
    let mut backwards = ordered;
    backwards.reverse();
    assert_eq!(sorts(&page), backwards);
}

pub(super) async fn ranges_are_inclusive(port: &dyn Storage, _: &TestClock) {
    for sort in ["a", "b", "ba", "bb", "c"] {
        put(port, &key("p", sort), "{}").await;
    }
    let text = str::to_owned;
    for (range, expected) in [
        (SortRange::Prefix(text("b")), &["b", "ba", "bb"][..]),
        (SortRange::Prefix(text("x")), &[]),
        (SortRange::AtLeast(text("ba")), &["ba", "bb", "c"]),
        (SortRange::AtMost(text("ba")), &["a", "b", "ba"]),
        (SortRange::Between(text("b"), text("bb")), &["b", "ba", "bb"]),
        (SortRange::Between(text("b"), text("b")), &["b"]),
        (SortRange::Between(text("bc"), text("bz")), &[]),
    ] {
        let page = query(port, &options(Some(range.clone()), Order::Ascending, 100)).await;
        assert_eq!(sorts(&page), expected, "{range:?}");
    }
    let reversed = options(Some(SortRange::Between(text("c"), text("a"))), Order::Ascending, 1);
    assert_invalid(port.query(COLLECTION, "p", &reversed, soon()).await);
    let long = options(Some(SortRange::Prefix("x".repeat(MAX_KEY_BYTES + 1))), Order::Ascending, 1);
    assert_invalid(port.query(COLLECTION, "p", &long, soon()).await);
}

pub(super) async fn empty_bounds_do_not_limit(port: &dyn Storage, _: &TestClock) {
    for sort in ["a", "b"] {
        put(port, &key("p", sort), "{}").await;
    }
    let text = str::to_owned;
    for (range, expected) in [
        (SortRange::Prefix(text("")), &["a", "b"][..]),
        (SortRange::AtLeast(text("")), &["a", "b"]),
        (SortRange::AtMost(text("")), &[]),
        (SortRange::Between(text(""), text("a")), &["a"]),
        (SortRange::Between(text(""), text("")), &[]),
    ] {
        let page = query(port, &options(Some(range.clone()), Order::Ascending, 100)).await;
        assert_eq!(sorts(&page), expected, "{range:?}");
        assert_eq!(page.cursor, None);
    }
}

pub(super) async fn pages_contain_every_item_once(port: &dyn Storage, _: &TestClock) {
    let all: Vec<String> = (0..23).map(|number| format!("{number:02}")).collect();
    for sort in &all {
        put(port, &key("p", sort), "{}").await;
    }
    let range = || Some(SortRange::AtLeast("03".to_owned()));
    for order in [Order::Ascending, Order::Descending] {
        for limit in [1, 7, 20, 21] {
            let mut options = options(range(), order, limit);
            let mut found = Vec::new();
            loop {
                let page = query(port, &options).await;
                assert!(page.items.len() <= limit as usize);
                found.extend(sorts(&page).into_iter().map(str::to_owned));
                match page.cursor {
                    Some(cursor) => options.cursor = Some(cursor),
                    None => break,
                }
                assert!(found.len() <= all.len(), "the pages never end");
            }
            if order == Order::Descending {
                found.reverse();
            }
            assert_eq!(found, all.iter().skip(3).cloned().collect::<Vec<_>>(), "{order:?} by {limit}");
        }
    }
}

pub(super) async fn cursors_are_valid_only_for_their_query(port: &dyn Storage, _: &TestClock) {
    for partition in ["p", "q"] {
        for sort in ["a", "b", "c"] {
            put(port, &key(partition, sort), "{}").await;
        }
    }
    let first = options(None, Order::Ascending, 1);
    let cursor = query(port, &first).await.cursor.unwrap();
    let with = |options: QueryOptions, cursor: &Cursor| QueryOptions { cursor: Some(cursor.clone()), ..options };
    let page = query(port, &with(options(None, Order::Ascending, 9), &cursor)).await;
    assert_eq!(sorts(&page), ["b", "c"], "another limit is the same query");

    let fresh = with(first.clone(), &cursor);
    assert_invalid(port.query(COLLECTION, "q", &fresh, soon()).await);
    assert_invalid(port.query("elsewhere", "p", &fresh, soon()).await);
    assert_invalid(port.query(COLLECTION, "p", &with(options(None, Order::Descending, 1), &cursor), soon()).await);
    let range = Some(SortRange::AtLeast("a".to_owned()));
    assert_invalid(port.query(COLLECTION, "p", &with(options(range, Order::Ascending, 1), &cursor), soon()).await);
    let mut tampered = vec![String::new(), "x".to_owned(), "é".to_owned(), format!("{}A", cursor.0)];
    for (index, _) in cursor.0.char_indices() {
        let mut text = cursor.0.clone();
        let other = if text.get(index..=index) == Some("B") { "C" } else { "B" };
        text.replace_range(index..=index, other);
        tampered.push(text);
    }
    for text in tampered {
        assert_invalid(port.query(COLLECTION, "p", &with(first.clone(), &Cursor(text)), soon()).await);
    }
}

pub(super) async fn page_limits_are_checked(port: &dyn Storage, _: &TestClock) {
    for limit in [0, MAX_QUERY_LIMIT + 1, u32::MAX] {
        assert_invalid(port.query(COLLECTION, "p", &options(None, Order::Ascending, limit), soon()).await);
    }
    let page = query(port, &options(None, Order::Ascending, MAX_QUERY_LIMIT)).await;
    assert_eq!(page, Page { items: Vec::new(), cursor: None });
}

pub(super) async fn queries_read_one_partition(port: &dyn Storage, _: &TestClock) {
    for partition in ["p", "pp", "P", "p#", "q"] {
        put(port, &key(partition, "s"), &format!(r#"{{"in":"{partition}"}}"#)).await;
    }
    let page = query(port, &options(None, Order::Ascending, 10)).await;
    let found: Vec<_> = page.items.iter().map(|item| (&item.key, item.document.as_str())).collect();
    assert_eq!(found, [(&key("p", "s"), r#"{"in":"p"}"#)]);
}

pub(super) async fn large_pages_are_split(port: &dyn Storage, _: &TestClock) {
    let document = format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000));
    for number in 0..9 {
        put(port, &key("p", &number.to_string()), &document).await;
    }
    let mut options = options(None, Order::Ascending, 100);
    let mut found = Vec::new();
    loop {
        let page = query(port, &options).await;
        found.extend(page.items.into_iter().map(|item| item.key.sort));
        match page.cursor {
            Some(cursor) if found.len() < 9 => options.cursor = Some(cursor),
            _ => break,
        }
    }
    assert_eq!(found.concat(), "012345678");
}
