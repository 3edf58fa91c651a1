//! Tests of release ids.

mod support;

use support::{app, document};
use tidegate_app::App;
use tidegate_release::{Digest, ReleaseId};

fn id(app: &App, chat: &str, guard: &str, engine: &str) -> ReleaseId {
    let components = [("chat", Digest::of(chat.as_bytes())), ("guard", Digest::of(guard.as_bytes()))];
    ReleaseId::of(app, components, engine)
}

#[test]
fn ids_depend_on_the_content() {
    let first = id(&app(), "one", "two", "engine");
    assert_eq!(id(&app(), "one", "two", "engine"), first);
    let reversed = [("guard", Digest::of(b"two")), ("chat", Digest::of(b"one"))];
    assert_eq!(ReleaseId::of(&app(), reversed, "engine"), first, "whatever order they are named in");
    for other in [
        id(&app(), "two", "one", "engine"),
        id(&app(), "onet", "wo", "engine"),
        id(&app(), "one", "two", "another engine"),
        id(&App { name: "other".to_owned(), ..app() }, "one", "two", "engine"),
        ReleaseId::of(&app(), [("chat", Digest::of(b"one"))], "engine"),
    ] {
        assert_ne!(other, first);
    }
}

#[test]
fn ids_are_computed_as_documented() {
    // The first 16 digits of the SHA-256 over {"app":…,"components":{"chat":…,"guard":…},"engine":"engine"}, each
    // component the SHA-256 of nothing, made with Python's hashlib and json.
    assert_eq!(id(&app(), "", "", "engine").as_str(), "8b0dff7ba001818e");
}

#[test]
fn manifests_have_the_id_of_their_content() {
    let one = document("1");
    // The targets and the origin are not part of the id.
    let mut same = document("1");
    same.targets.clear();
    same.components.values_mut().for_each(|component| component.artifacts.clear());
    same.provenance.revision = None;
    assert_eq!(same.id(), one.id());
    assert_ne!(document("2").id(), one.id());
    let mut other = document("1");
    other.engine = "another".to_owned();
    assert_ne!(other.id(), one.id());
}

#[test]
fn invalid_ids_are_refused() {
    let id = "0123456789abcdef";
    assert_eq!(id.parse::<ReleaseId>().map(String::from).as_deref(), Ok(id));
    for wrong in
        ["", "0", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "0123456789abcdeg", "../../../../etc/"]
    {
        assert!(wrong.parse::<ReleaseId>().is_err(), "{wrong}");
        assert!(serde_json::from_value::<ReleaseId>(wrong.into()).is_err(), "{wrong}");
    }
}
