//! Programs that use documents: hot keys, large documents, many names, endless queries, made-up cursors.

use crate::tidegate::route::storage::{
    Action, Assignment, Change, Collection, Condition, Increment, Key, Operation, Order, QueryOptions, WriteOptions,
    open, transact,
};
use crate::tidegate::route::types::Request;
use crate::{Answer, done, number};

/// Puts small documents until the deadline.
pub fn put_loop(request: &Request, _: &str) -> Answer {
    let notes = notes();
    for at in 0_u64.. {
        _ = notes.put(&key(&request.connection.id, &at.to_string()), "{}", &plain());
    }
    done("put")
}

/// Puts documents of nearly 400 KB until the byte limit of the event.
pub fn put_large(request: &Request, _: &str) -> Answer {
    let document = format!(r#"{{"text":"{}"}}"#, "x".repeat(399_000));
    let notes = notes();
    loop {
        _ = notes.put(&key(&request.connection.id, "large"), &document, &plain());
    }
}

/// Updates one document through 100 paths of 32 names each, 3,200 names in all.
pub fn update_names(request: &Request, argument: &str) -> Answer {
    let path = |at: u64| (0..32).map(|depth| format!("n{at}x{depth}")).collect();
    let changes: Vec<Change> = (0..100).map(|at| set(path(at), "1")).collect();
    let notes = notes();
    for _ in 0..number(argument, 1_000) {
        _ = notes.update(&key(&request.connection.id, "names"), &changes, &plain());
        let flat: Vec<Change> = (0..100).map(|at| set(vec![format!("n{at}x0"), "m".repeat(1_000)], "1")).collect();
        _ = notes.update(&key(&request.connection.id, "flat"), &flat, &plain());
    }
    done("updated")
}

/// Makes 100 changes to one document until the deadline.
pub fn update_many(request: &Request, _: &str) -> Answer {
    let changes: Vec<Change> = (0..100).map(|at| set(vec![format!("n{at}")], r#"{"a":[1,2,3]}"#)).collect();
    let notes = notes();
    loop {
        _ = notes.update(&key(&request.connection.id, "many"), &changes, &plain());
    }
}

/// Puts a document of 200,000 members again and again.
pub fn members(request: &Request, argument: &str) -> Answer {
    let names: Vec<String> = (0..number(argument, 200_000)).map(|at| format!(r#""{at}":0"#)).collect();
    let document = format!("{{{}}}", names.join(","));
    let notes = notes();
    loop {
        _ = notes.put(&key(&request.connection.id, "members"), &document, &plain());
    }
}

/// Puts a document that is a million levels deep.
pub fn deep_document(request: &Request, _: &str) -> Answer {
    let notes = notes();
    for levels in [31, 33, 100, 10_000, 1_000_000] {
        let document = format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        _ = notes.put(&key(&request.connection.id, "deep"), &document, &plain());
    }
    done("put")
}

/// Reads 100 documents of 100 KB at once until the byte limit of the event.
pub fn get_many(request: &Request, _: &str) -> Answer {
    let notes = notes();
    let document = format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000));
    _ = notes.put(&key(&request.connection.id, "one"), &document, &plain());
    let keys = vec![key(&request.connection.id, "one"); 100];
    loop {
        _ = notes.get_many(&keys);
    }
}

/// Writes 200 documents, which other programs read.
pub fn fill_partition(_: &Request, _: &str) -> Answer {
    let notes = notes();
    for at in 0..200 {
        let document = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
        _ = notes.put(&key("shared", &format!("{at:04}")), &document, &plain());
    }
    done("filled")
}

/// Queries a partition one item at a time, from the beginning again at its end.
pub fn query_forever(_: &Request, _: &str) -> Answer {
    let notes = notes();
    let mut cursor = None;
    loop {
        cursor = notes.query("shared", &page(1, cursor)).ok().and_then(|page| page.cursor);
    }
}

/// Queries with cursors that it made up.
pub fn made_up_cursors(_: &Request, _: &str) -> Answer {
    let notes = notes();
    let long = "c".repeat(65_536);
    for _ in 0..50 {
        for cursor in ["", "\0", "e30=", r#"{"pk":{"S":"neighbour#probe"}}"#, "\u{fffd}", &long] {
            _ = notes.query("shared", &page(1_000, Some(cursor.to_owned())));
        }
        _ = notes.query("shared", &page(u32::MAX, None));
    }
    done("queried")
}

/// Applies transactions of 100 operations until the deadline.
pub fn transact_loop(request: &Request, _: &str) -> Answer {
    let notes = notes();
    let operation = |at: u64| Operation {
        collection: &notes,
        key: key(&request.connection.id, &format!("t{at}")),
        action: Action::Put((r#"{"n":1}"#.to_owned(), plain())),
    };
    loop {
        let operations: Vec<Operation<'_>> = (0..100).map(operation).collect();
        _ = transact(&operations);
    }
}

/// Writes under a condition that never holds, until the deadline.
pub fn conflicts(_: &Request, _: &str) -> Answer {
    let notes = notes();
    loop {
        let never = WriteOptions { condition: Some(Condition::Version("never".to_owned())), expires_at: None };
        _ = notes.put(&key("shared", "contested"), "{}", &never);
    }
}

/// Increments one number that all its connections share, until the deadline.
pub fn hot_key(_: &Request, _: &str) -> Answer {
    let notes = notes();
    let more = [Change::Add(Increment { path: vec!["n".to_owned()], by: i64::MAX })];
    loop {
        _ = notes.update(&key("shared", "hot"), &more, &plain());
    }
}

/// Opens a collection until the handle table is full.
pub fn handles(_: &Request, _: &str) -> Answer {
    loop {
        std::mem::forget(open("notes"));
    }
}

/// Opens collections that are not granted, with long and odd names, until the byte limit or the deadline.
pub fn open_and_drop(_: &Request, _: &str) -> Answer {
    let long = "n".repeat(10_000);
    loop {
        for name in ["notes", "vault", "", "\0", "neighbour", "../notes", &long] {
            drop(open(name));
        }
    }
}

/// Uses keys that are empty, too long, or contain NUL and separators.
pub fn edge_keys(_: &Request, _: &str) -> Answer {
    let notes = notes();
    let long = "k".repeat(1_025);
    let keys = ["", "\0", "#", "%23", "neighbour#probe", "\u{10ffff}", &long];
    for _ in 0..20 {
        for partition in keys {
            for sort in keys {
                _ = notes.put(&key(partition, sort), "{}", &plain());
                _ = notes.get(&key(partition, sort));
            }
        }
    }
    done("used")
}

/// Deletes documents that do not exist, until the deadline.
pub fn delete_loop(request: &Request, _: &str) -> Answer {
    let notes = notes();
    for at in 0_u64.. {
        _ = notes.delete(&key(&request.connection.id, &format!("none{at}")), None);
    }
    done("deleted")
}

/// Puts numbers of 38 digits and more, with huge exponents.
pub fn long_numbers(request: &Request, _: &str) -> Answer {
    let notes = notes();
    let digits = "9".repeat(1_000_000);
    for value in ["1e125", "1e-130", "1e999999999", "-0", "1.5E+126", &"9".repeat(38), &"9".repeat(39), &digits] {
        let document = format!(r#"{{"n":[{value},{value}]}}"#);
        _ = notes.put(&key(&request.connection.id, "numbers"), &document, &plain());
    }
    done("put")
}

/// Puts documents with lone surrogates, duplicate names, NUL and bad escapes.
pub fn escapes(request: &Request, _: &str) -> Answer {
    let notes = notes();
    let documents = [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"\u0000":"\u0000"}"#,
        r#"{"a":"\x"}"#,
        "{",
        "[]",
        "",
        "null",
        r#"{"pk":1}"#,
        r#"{"tg:v":1}"#,
        "\u{feff}{}",
        r#"{"":""}"#,
        r#"{"a":tru}"#,
    ];
    for _ in 0..20 {
        for document in documents {
            _ = notes.put(&key(&request.connection.id, "escapes"), document, &plain());
        }
    }
    done("put")
}

/// Appends to a list until the document is full, and goes on.
pub fn append_forever(request: &Request, _: &str) -> Answer {
    let value = format!("[\"{}\"]", "x".repeat(10_000));
    let changes = [Change::Append(Assignment { path: vec!["l".to_owned()], value })];
    let notes = notes();
    loop {
        _ = notes.update(&key(&request.connection.id, "list"), &changes, &plain());
    }
}

/// Puts text of 2.4 MB that is not JSON until its last byte.
pub fn large_invalid(request: &Request, _: &str) -> Answer {
    let document = format!("{{\"a\":[{}1,]}}", "1,".repeat(1_200_000));
    let notes = notes();
    loop {
        _ = notes.put(&key(&request.connection.id, "invalid"), &document, &plain());
    }
}

fn notes() -> Collection {
    open("notes").expect("`notes` is granted")
}

fn key(partition: &str, sort: &str) -> Key {
    Key { partition: partition.to_owned(), sort: sort.to_owned() }
}

fn set(path: Vec<String>, value: &str) -> Change {
    Change::Set(Assignment { path, value: value.to_owned() })
}

fn plain() -> WriteOptions {
    WriteOptions { condition: None, expires_at: None }
}

fn page(limit: u32, cursor: Option<String>) -> QueryOptions {
    QueryOptions { range: None, order: Order::Ascending, limit, cursor }
}
