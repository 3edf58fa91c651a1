//! The behaviours of the guest `probe` that use the registry or send messages.

use crate::events::{self, OWN};
use crate::fixture::Fixture;

#[tokio::test]
pub(crate) async fn describe_and_close() {
    let fixture = Fixture::new();
    assert_eq!(fixture.probe("own", "describe_and_close").await, "192.0.2.7 Some(\"probe/1\")");
    assert_eq!(fixture.world.data().closed, [OWN]);
}

#[tokio::test]
pub(crate) async fn messaging_refused() {
    let fixture = Fixture::new();
    assert_eq!(fixture.probe("own", "messaging_refused").await, "refused");
    assert_eq!(fixture.world.data().sent.len(), 1, "only the granted message");
}

#[tokio::test]
pub(crate) async fn groups() {
    let fixture = Fixture::new();
    fixture.reply(&events::connect("echo")).await.unwrap();
    assert_eq!(fixture.probe("any", "groups room-7").await, "room-7");
}

#[tokio::test]
pub(crate) async fn attributes() {
    let fixture = Fixture::new();
    fixture.reply(&events::connect("echo")).await.unwrap();
    assert_eq!(fixture.probe("any", "attributes").await, "ann");
}

#[tokio::test]
pub(crate) async fn registry_refused() {
    assert_eq!(Fixture::new().probe("own", "registry_refused").await, "refused");
}
