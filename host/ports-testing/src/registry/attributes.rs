//! Attributes of connections.

use super::{TestClock, assert_invalid, id, register, soon};
use tidegate_ports::registry::{Error, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, Registry};

fn set(name: &str, value: &str) -> (String, Option<String>) {
    (name.to_owned(), Some(value.to_owned()))
}

fn remove(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

async fn attributes(port: &dyn Registry, of: &tidegate_event::ConnectionId) -> Vec<(String, String)> {
    port.describe(of, soon()).await.unwrap().attributes
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) async fn attributes_are_set_and_removed(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    port.join("lobby", &a, soon()).await.unwrap();
    port.set_attributes(&a, &[set("name", "Ann"), set("b.c", ""), set("#é", ":v")], soon()).await.unwrap();
    assert_eq!(attributes(port, &a).await, pairs(&[("#é", ":v"), ("b.c", ""), ("name", "Ann")]));
    let changes = [set("name", "Bea"), remove("b.c"), remove("never"), set("twice", "1"), set("twice", "2")];
    port.set_attributes(&a, &changes, soon()).await.unwrap();
    port.set_attributes(&a, &[], soon()).await.unwrap();
    let expected = pairs(&[("#é", ":v"), ("name", "Bea"), ("twice", "2")]);
    assert_eq!(attributes(port, &a).await, expected);
    assert_eq!(port.describe(&a, soon()).await.unwrap().groups, ["lobby"]);
}

pub(super) async fn connections_have_at_most_32_attributes(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    let most: Vec<_> = (0..MAX_ATTRIBUTES).map(|number| set(&number.to_string(), "x")).collect();
    port.set_attributes(&a, &most, soon()).await.unwrap();
    assert_invalid(port.set_attributes(&a, &[set("one more", "x")], soon()).await);
    assert_eq!(attributes(port, &a).await.len(), MAX_ATTRIBUTES);
    port.set_attributes(&a, &[set("one more", "x"), remove("0")], soon()).await.unwrap();
    port.set_attributes(&a, &[set("one more", "y")], soon()).await.unwrap();
    let many: Vec<_> = (0..10_000).map(|number| set(&number.to_string(), "x")).collect();
    assert_invalid(port.set_attributes(&a, &many, soon()).await);
}

pub(super) async fn attributes_have_at_most_4_kib(port: &dyn Registry, clock: &TestClock) {
    let a = register(port, "a", clock).await;
    port.set_attributes(&a, &[set("n", &"x".repeat(MAX_ATTRIBUTE_BYTES - 1))], soon()).await.unwrap();
    assert_invalid(port.set_attributes(&a, &[set("m", "")], soon()).await);
    assert_invalid(port.set_attributes(&a, &[set("n", &"é".repeat(MAX_ATTRIBUTE_BYTES / 2))], soon()).await);
    assert_invalid(port.set_attributes(&a, &[set("", "x")], soon()).await);
    assert_eq!(attributes(port, &a).await.len(), 1);
    port.set_attributes(&a, &[set("n", ""), set("m", "x")], soon()).await.unwrap();
}

pub(super) async fn attributes_require_a_connection(port: &dyn Registry, clock: &TestClock) {
    let result = port.set_attributes(&id("nobody"), &[set("n", "x")], soon()).await;
    assert_eq!(result, Err(Error::NotFound));
    let a = register(port, "a", clock).await;
    port.unregister(&a, soon()).await.unwrap();
    assert_eq!(port.set_attributes(&a, &[set("n", "x")], soon()).await, Err(Error::NotFound));
    assert_eq!(port.describe(&a, soon()).await, Err(Error::NotFound), "no row is created");
}
