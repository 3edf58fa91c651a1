//! Documents in collections. The grant of `notes` is `read-write`, of `archive` `read`, of `outbox` `write`. The
//! collection `vault` is not granted.

use crate::Answer;
use crate::tidegate::route::storage::{
    Action, Assignment, Change, Collection, Condition, Error, Increment, Key, Operation, Order, QueryOptions,
    SortRange, WriteOptions, open, transact,
};
use crate::tidegate::route::types::Request;

/// Puts, reads, updates, queries and deletes documents.
pub fn documents(_: &Request, _: &str) -> Answer {
    let notes = open("notes").expect("`notes` is granted");
    assert!(notes.get(&key("a")).expect("a read").is_none());
    let options = WriteOptions { condition: Some(Condition::Absent), expires_at: Some(4_000_000_000_000) };
    let version = notes.put(&key("a"), r#"{"n":1}"#, &options).expect("a put");
    let repeated = notes.put(&key("a"), "{}", &options);
    assert!(matches!(repeated, Err(Error::Conflict)), "{repeated:?}");

    let item = notes.get(&key("a")).expect("a read").expect("the document");
    assert_eq!((item.document.as_str(), &item.version, item.expires_at), (r#"{"n":1}"#, &version, options.expires_at));
    assert_eq!((item.key.partition.as_str(), item.key.sort.as_str()), ("p", "a"));

    let changes = [
        Change::Set(Assignment { path: vec!["m".to_owned()], value: "true".to_owned() }),
        Change::Add(Increment { path: vec!["n".to_owned()], by: -3 }),
        Change::Append(Assignment { path: vec!["l".to_owned()], value: "[1]".to_owned() }),
        Change::Remove(vec!["gone".to_owned(), "too".to_owned()]),
    ];
    let conditional = WriteOptions { condition: Some(Condition::Version(version.clone())), expires_at: None };
    let item = notes.update(&key("a"), &changes, &conditional).expect("an update");
    assert_ne!(item.version, version);

    notes.put(&key("b"), r#"{"n":2}"#, &plain()).expect("a put");
    let many = notes.get_many(&[key("b"), key("none"), key("a")]).expect("reads");
    let found: Vec<_> = many.iter().map(|item| item.as_ref().map(|item| item.key.sort.as_str())).collect();
    assert_eq!(found, [Some("b"), None, Some("a")], "in the order of the keys");

    let descending = query(None, Order::Descending, 1, None);
    let page = notes.query("p", &descending).expect("a page");
    assert_eq!((page.items.len(), page.items[0].key.sort.as_str()), (1, "b"));
    let next = query(None, Order::Descending, 1, page.cursor);
    assert_eq!(notes.query("p", &next).expect("a page").items[0].key.sort, "a");
    let ranges = [
        (SortRange::Prefix("a".to_owned()), 1),
        (SortRange::AtLeast("b".to_owned()), 1),
        (SortRange::AtMost("b".to_owned()), 2),
        (SortRange::Between(("a".to_owned(), "a".to_owned())), 1),
    ];
    for (range, count) in ranges {
        let page = notes.query("p", &query(Some(range), Order::Ascending, 10, None)).expect("a page");
        assert_eq!(page.items.len(), count);
    }
    notes.delete(&key("a"), Some(&Condition::Present)).expect("a delete");
    assert!(notes.get(&key("a")).expect("a read").is_none());
    Ok("stored".to_owned())
}

/// Asserts that a transaction applies all operations or none.
pub fn transactions(_: &Request, _: &str) -> Answer {
    let notes = open_granted("notes");
    let outbox = open_granted("outbox");
    let put = |document: &str| Action::Put((document.to_owned(), plain()));
    let operation = |collection, sort: &str, action| Operation { collection, key: key(sort), action };
    transact(&[operation(&notes, "a", put("{}")), operation(&outbox, "a", put("{}"))]).expect("both are new");
    let change = Change::Set(Assignment { path: vec!["x".to_owned()], value: "1".to_owned() });
    let refused = transact(&[
        operation(&notes, "b", put("{}")),
        operation(&notes, "a", Action::Check(Condition::Absent)),
        operation(&notes, "c", Action::Update((vec![change], plain()))),
        operation(&outbox, "a", Action::Delete(None)),
    ]);
    assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
    assert!(notes.get(&key("b")).expect("a read").is_none(), "nothing of a refused transaction is applied");

    let twice = transact(&[operation(&notes, "b", put("{}")), operation(&notes, "b", put("{}"))]);
    assert!(matches!(twice, Err(Error::Invalid(_))), "{twice:?}");
    assert!(matches!(transact(&[]), Err(Error::Invalid(_))), "no operations");
    let sorts: Vec<String> = (0..101).map(|sort| sort.to_string()).collect();
    let many: Vec<_> = sorts.iter().map(|sort| operation(&notes, sort, put("{}"))).collect();
    assert!(matches!(transact(&many), Err(Error::Invalid(_))), "101 operations");
    let unreadable = transact(&[operation(&outbox, "a", Action::Check(Condition::Present))]);
    assert!(matches!(unreadable, Err(Error::Forbidden)), "a check reads: {unreadable:?}");
    Ok("all or none".to_owned())
}

/// All refusals that do not reach the port.
pub fn storage_refused(_: &Request, _: &str) -> Answer {
    let forbidden = |error: Error| assert!(matches!(error, Error::Forbidden), "{error:?}");
    let invalid = |error: Error| assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    forbidden(open("vault").map(drop).expect_err("not granted"));
    forbidden(open("").map(drop).expect_err("not granted"));

    let notes = open_granted("notes");
    let archive = open_granted("archive");
    let outbox = open_granted("outbox");
    forbidden(archive.put(&key("a"), "{}", &plain()).expect_err("read only"));
    forbidden(archive.delete(&key("a"), None).expect_err("read only"));
    forbidden(archive.update(&key("a"), &[], &plain()).map(drop).expect_err("read only"));
    forbidden(outbox.get(&key("a")).map(drop).expect_err("write only"));
    forbidden(outbox.get_many(&[key("a")]).map(drop).expect_err("write only"));
    forbidden(outbox.query("p", &query(None, Order::Ascending, 1, None)).map(drop).expect_err("write only"));
    forbidden(outbox.update(&key("a"), &[], &plain()).map(drop).expect_err("an update returns the document"));

    let long = "k".repeat(1_025);
    for sort in ["", &long] {
        invalid(notes.get(&key(sort)).map(drop).expect_err("a key"));
        invalid(notes.put(&key(sort), "{}", &plain()).expect_err("a key"));
    }
    invalid(notes.query("", &query(None, Order::Ascending, 1, None)).map(drop).expect_err("a partition"));
    for limit in [0, 1_001] {
        invalid(notes.query("p", &query(None, Order::Ascending, limit, None)).map(drop).expect_err("a limit"));
    }
    let keys: Vec<Key> = (0..101).map(|sort| key(&sort.to_string())).collect();
    invalid(notes.get_many(&keys).map(drop).expect_err("101 keys"));
    Ok("refused".to_owned())
}

/// Reads more bytes than an event may transfer, which is an error and not a trap, and then fewer.
pub fn large_answer(_: &Request, _: &str) -> Answer {
    let notes = open_granted("notes");
    notes.put(&key("a"), &format!("{{\"text\":\"{}\"}}", "x".repeat(300_000)), &plain()).expect("a put");
    let many = notes.get_many(&vec![key("a"); 100]);
    assert!(matches!(many, Err(Error::TooLarge)), "30 MB");
    let items = notes.get_many(&vec![key("a"); 10]).expect("3 MB");
    assert_eq!(items.iter().flatten().count(), 10);
    let read = (0..100).find_map(|_| notes.get(&key("a")).err());
    assert!(matches!(read, Some(Error::TooLarge)), "{read:?}");
    let page = notes.query("p", &query(None, Order::Ascending, 1, None));
    assert!(matches!(page, Err(Error::TooLarge)), "nothing is left for a page");
    assert!(notes.get(&key("none")).expect("an absent document needs no bytes").is_none());
    Ok("read some".to_owned())
}

/// Reads from the partition in the argument. Without an argument, reads from the partition `never`, for which the
/// storage of the test does not return.
pub fn storage_waits(_: &Request, argument: &str) -> Answer {
    let partition = if argument.is_empty() { "never" } else { argument };
    let item = open_granted("notes").get(&Key { partition: partition.to_owned(), sort: "s".to_owned() });
    Ok(format!("{item:?}"))
}

fn open_granted(name: &str) -> Collection {
    open(name).expect("the collection is granted")
}

fn key(sort: &str) -> Key {
    Key { partition: "p".to_owned(), sort: sort.to_owned() }
}

fn plain() -> WriteOptions {
    WriteOptions { condition: None, expires_at: None }
}

fn query(range: Option<SortRange>, order: Order, limit: u32, cursor: Option<String>) -> QueryOptions {
    QueryOptions { range, order, limit, cursor }
}
