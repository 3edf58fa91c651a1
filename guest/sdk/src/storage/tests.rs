use super::*;

fn item(document: &str) -> host::Item {
    host::Item {
        key: Key::new("lobby", "1"),
        document: document.to_owned(),
        version: "v1".to_owned(),
        expires_at: Some(9),
    }
}

#[test]
fn document_is_read_as_its_type() {
    let read: Item<Vec<u8>> = Item::read(item("[1,2]")).unwrap();
    assert_eq!(
        read,
        Item { key: Key::new("lobby", "1"), document: vec![1, 2], version: "v1".into(), expires_at: Some(9) }
    );
}

#[test]
fn document_of_another_shape_is_an_error_with_its_key() {
    let error = Item::<Vec<u8>>::read(item("{}")).unwrap_err();
    assert!(matches!(&error, Error::Document(text) if text.contains("`lobby`, `1`")), "{error}");
}

#[test]
fn condition_converts_into_options() {
    let options = WriteOptions::from(Condition::Absent).expires_at(5);
    assert_eq!(options, WriteOptions { condition: Some(Condition::Absent), expires_at: Some(5) });
}

#[test]
fn refusal_of_the_host_names_the_collection() {
    assert_eq!(Error::from_host("rooms", host::Error::Forbidden), Error::Forbidden("rooms".into()));
}
