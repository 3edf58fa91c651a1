use std::collections::BTreeMap;

use super::*;
use crate::{Payload, storage};

#[test]
fn return_types_become_replies() {
    let text = |text: &str| Reply { body: Some(Payload::Text(text.into())), ..Reply::default() };
    assert_eq!(().into_reply().unwrap(), Reply::default());
    assert_eq!("a".into_reply().unwrap(), text("a"));
    assert_eq!(Ok::<_, Error>(String::from("b")).into_reply().unwrap(), text("b"));
    assert_eq!(Json([1, 2]).into_reply().unwrap(), text("[1,2]"));
    assert_eq!(vec![1u8].into_reply().unwrap().body, Some(Payload::Binary(vec![1])));
    let reply = Reply::status(403).header("a", "b").into_reply().unwrap();
    assert_eq!((reply.status, reply.headers), (403, vec![("a".into(), "b".into())]));
}

#[test]
fn storage_error_becomes_the_error_of_the_reply() {
    let result: Result<(), storage::Error> = Err(storage::Error::Conflict);
    assert_eq!(result.into_reply().unwrap_err().status, 409);
}

#[test]
fn value_that_json_cannot_express_is_500() {
    let error = Json(BTreeMap::from([([1, 2], 3)])).into_reply().unwrap_err();
    assert_eq!(error.status, 500);
}
