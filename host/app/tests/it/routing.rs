//! The routing fingerprint changes with the infrastructure, and with nothing else.

use std::path::Path;

use serde_json::{Value, json};
use tidegate_app::App;

fn app() -> Value {
    json!({
        "name": "chat",
        "route-selection-expression": "$request.body.action",
        "components": ["chat", "guard"],
        "routes": {"$connect": {"component": "chat"}, "chat": {"component": "chat", "response": true}},
        "authorizer": {
            "component": "guard",
            "identity-source": ["context.stage", "route.request.header.Authorization"],
            "limits": {},
        },
    })
}

fn fingerprint(app: &Value) -> String {
    App::from_json(Path::new("app.json"), app.to_string().as_bytes()).unwrap().routing_fingerprint()
}

/// Returns the fingerprint of the app with one value replaced.
fn with(pointer: &str, value: Value) -> String {
    let mut changed = app();
    *changed.pointer_mut(pointer).unwrap() = value;
    fingerprint(&changed)
}

fn without_authorizer() -> String {
    let mut changed = app();
    changed.as_object_mut().unwrap().remove("authorizer");
    changed["components"] = json!(["chat"]);
    fingerprint(&changed)
}

#[test]
fn fingerprints_are_computed_as_documented() {
    // Python's hashlib.sha256 over the compact JSON, with `$disconnect` in it and the identity sources in order.
    assert_eq!(fingerprint(&app()), "1b1c803626d7cd48ce5bc4d6cefd18a8d14f952cbe47c22e6ce4081980da480d");
}

#[test]
fn infrastructure_changes_the_fingerprint() {
    let connect = json!({"component": "chat"});
    let route = json!({"component": "chat", "response": true});
    let changed = [
        with("/route-selection-expression", json!("$request.body.kind")),
        with("/routes/chat/response", json!(false)),
        with("/routes", json!({"$connect": connect, "talk": route})),
        with("/routes", json!({"$connect": connect, "chat": route, "talk": route})),
        with("/authorizer/identity-source", json!([])),
        with("/authorizer/identity-source", json!(["context.stage"])),
        without_authorizer(),
        fingerprint(&app()),
    ];
    for (index, one) in changed.iter().enumerate() {
        assert!(!changed.iter().skip(index + 1).any(|other| other == one), "{index}");
    }
}

#[test]
fn other_changes_keep_the_fingerprint() {
    let unchanged = [
        with("/name", json!("other")),
        with("/routes/chat/component", json!("guard")),
        with("/routes/chat", json!({"component": "chat", "response": true, "grants": {"config": ["motd"]}})),
        with("/routes/chat", json!({"component": "chat", "response": true, "limits": {"time": "9s"}})),
        with("/authorizer/limits", json!({"memory": "8MiB"})),
        with("/authorizer/identity-source", json!(["route.request.header.Authorization", "context.stage"])),
    ];
    for (index, one) in unchanged.iter().enumerate() {
        assert_eq!(*one, fingerprint(&app()), "{index}");
    }
}

#[test]
fn connect_and_disconnect_are_always_part_of_the_fingerprint() {
    let mut with_them = app();
    with_them.as_object_mut().unwrap().remove("authorizer");
    with_them["components"] = json!(["chat"]);
    let mut without = with_them.clone();
    with_them["routes"]["$disconnect"] = json!({"component": "chat"});
    without["routes"].as_object_mut().unwrap().remove("$connect");
    assert_eq!(fingerprint(&with_them), fingerprint(&without));
}
