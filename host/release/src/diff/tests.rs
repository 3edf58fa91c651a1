use serde_json::{Value, json};

use super::*;

/// Returns an app whose route `chat` has these grants.
fn with_grants(grants: Value) -> App {
    app(json!({ "chat": { "component": "chat", "grants": grants } }), Value::Null)
}

fn app(routes: Value, authorizer: Value) -> App {
    let mut components: BTreeSet<String> = BTreeSet::new();
    let named = routes.as_object().unwrap().values().chain(Some(&authorizer).filter(|it| !it.is_null()));
    components.extend(named.map(|it| it["component"].as_str().unwrap().to_owned()));
    let mut app = json!({
        "name": "chat", "route-selection-expression": "$request.body.action",
        "components": components, "routes": routes,
    });
    if !authorizer.is_null() {
        app["authorizer"] = authorizer;
    }
    serde_json::from_value(app).unwrap()
}

fn grown(old: Value, new: Value) -> Vec<String> {
    Difference::between(&with_grants(old), &with_grants(new)).grants.grown
}

fn digests<'a>(app: &'a App, code: &[(&'a str, &str)]) -> Version<'a> {
    Version { app, components: Some(code.iter().map(|(name, code)| (*name, Digest::of(code.as_bytes()))).collect()) }
}

#[test]
fn added_grants_are_described() {
    for (old, new, expected) in [
        (json!({}), json!({}), &[][..]),
        // Storage.
        (json!({}), json!({ "storage": { "m": "read" } }), &["read of the collection m"]),
        (json!({}), json!({ "storage": { "m": "read-write" } }), &["read-write of the collection m"]),
        (
            json!({ "storage": { "m": "read" } }),
            json!({ "storage": { "m": "read-write" } }),
            &["write of the collection m"],
        ),
        (json!({ "storage": { "m": "read" } }), json!({ "storage": { "m": "write" } }), &["write of the collection m"]),
        (
            json!({ "storage": { "m": "write" } }),
            json!({ "storage": { "m": "read-write" } }),
            &["read of the collection m"],
        ),
        (json!({ "storage": { "m": "read-write" } }), json!({ "storage": { "m": "read" } }), &[]),
        (
            json!({ "storage": { "m": "read" } }),
            json!({ "storage": { "m": "read", "n": "read" } }),
            &["read of the collection n"],
        ),
        // The registry.
        (json!({}), json!({ "connections": {} }), &[]),
        (json!({}), json!({ "connections": { "describe": true } }), &["describe of any registered connection"]),
        (json!({ "connections": { "describe": true } }), json!({ "connections": { "describe": true } }), &[]),
        (
            json!({ "connections": { "describe": true } }),
            json!({ "connections": { "list": true } }),
            &["the list of connections"],
        ),
        (json!({}), json!({ "connections": { "attributes": "self" } }), &["the attributes of its own connection"]),
        (
            json!({ "connections": { "attributes": "self" } }),
            json!({ "connections": { "attributes": "any" } }),
            &["the attributes of any connection"],
        ),
        (json!({ "connections": { "attributes": "any" } }), json!({ "connections": { "attributes": "self" } }), &[]),
        (json!({}), json!({ "connections": { "groups": ["lobby"] } }), &["membership of lobby"]),
        // Messages.
        (json!({}), json!({ "messaging": { "send": "self" } }), &["send to its own connection"]),
        (
            json!({ "messaging": { "send": "self" } }),
            json!({ "messaging": { "send": "any" } }),
            &["send to any connection"],
        ),
        (
            json!({ "messaging": { "close": "self" } }),
            json!({ "messaging": { "close": "any", "describe": "self" } }),
            &["describe of its own connection", "close of any connection"],
        ),
        // Configuration.
        (json!({ "config": ["motd"] }), json!({ "config": ["motd", "secret"] }), &["the configuration value secret"]),
        (json!({ "config": ["motd", "secret"] }), json!({ "config": ["motd"] }), &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|expected| format!("chat newly asks for {expected}")).collect();
        assert_eq!(grown(old.clone(), new.clone()), expected, "{old} {new}");
    }
}

#[test]
fn covered_groups_are_not_added_grants() {
    let groups = |groups: &[&str]| json!({ "messaging": { "broadcast": groups } });
    for (old, new, expected) in [
        (&["room-*"][..], &["room-*"][..], &[][..]),
        (&["room-*"], &["room-7"], &[]),
        (&["room-*"], &["room-"], &[]),
        (&["room-*"], &["room-a*", "room-b*"], &[]),
        (&["room-a*", "room-b*"], &["room-*"], &["room-*"]),
        (&["room-7"], &["room-*"], &["room-*"]),
        (&["room-7"], &["room-70"], &["room-70"]),
        (&["room-*"], &["room*"], &["room*"]),
        (&["*"], &["room-*", "lobby"], &[]),
        (&["room-*"], &["*"], &["*"]),
        (&[], &["room-*", "lobby", "lobby"], &["lobby", "room-*"]),
        (&["lobby", "room-*"], &["room-*", "lobby"], &[]),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|group| format!("chat newly asks for broadcast to {group}")).collect();
        assert_eq!(grown(groups(old), groups(new)), expected, "{old:?} {new:?}");
        let groups = |groups: &[&str]| json!({ "connections": { "groups": groups } });
        assert_eq!(grown(groups(old), groups(new)).len(), expected.len(), "{old:?} {new:?}");
    }
}

#[test]
fn removed_grants_are_described() {
    let old = with_grants(json!({ "storage": { "m": "read-write" }, "messaging": { "send": "any" } }));
    let new = with_grants(json!({ "storage": { "m": "read" }, "messaging": { "send": "self" } }));
    let difference = Difference::between(&old, &new);
    assert!(!difference.grew());
    assert_eq!(
        difference.grants.shrunk,
        ["chat no longer asks for write of the collection m", "chat no longer asks for send to any connection"]
    );
    assert!(difference.routes.changed[&RouteKey::new("chat").unwrap()].grants);
    assert!(Difference::between(&new, &old).grew());
}

#[test]
fn equivalent_grants_are_not_added_grants() {
    let old = with_grants(json!({ "messaging": { "broadcast": ["*"] } }));
    let new = with_grants(json!({ "messaging": { "broadcast": ["*", "lobby"] } }));
    let difference = Difference::between(&old, &new);
    assert_eq!((difference.grew(), difference.grants.shrunk.len(), difference.is_empty()), (false, 0, false));
}

#[test]
fn grants_are_compared_for_each_route() {
    let routes = |a: Value, b: Value| {
        app(json!({ "a": { "component": "c", "grants": a }, "b": { "component": "c", "grants": b } }), Value::Null)
    };
    let storage = || json!({ "storage": { "m": "read" } });
    let difference = Difference::between(&routes(storage(), json!({})), &routes(json!({}), storage()));
    assert_eq!(difference.grants.grown, ["b newly asks for read of the collection m"]);
    assert_eq!(difference.grants.shrunk, ["a no longer asks for read of the collection m"]);
    assert_eq!(difference.config, ConfigDifference::default());
}

#[test]
fn added_removed_and_changed_routes_are_listed() {
    let old = app(
        json!({
            "gone": { "component": "a", "grants": { "config": ["gone"] } },
            "same": { "component": "a" },
            "code": { "component": "b" },
            "name": { "component": "a" },
            "limits": { "component": "a", "limits": { "memory": "8MiB" } },
            "two-way": { "component": "a" },
        }),
        Value::Null,
    );
    let new = app(
        json!({
            "new": { "component": "a", "grants": { "config": ["new"] } },
            "same": { "component": "a" },
            "code": { "component": "b" },
            "name": { "component": "b" },
            "limits": { "component": "a", "limits": { "memory": "16MiB" } },
            "two-way": { "component": "a", "response": true },
        }),
        Value::Null,
    );
    let difference =
        Difference::between(digests(&old, &[("a", "1"), ("b", "1")]), digests(&new, &[("a", "1"), ("b", "2")]));
    let key = |key: &str| RouteKey::new(key).unwrap();
    assert_eq!(difference.routes.added, BTreeSet::from([key("new")]));
    assert_eq!(difference.routes.removed, BTreeSet::from([key("gone")]));
    let changed = &difference.routes.changed;
    assert_eq!(changed.keys().map(RouteKey::as_str).collect::<Vec<_>>(), ["code", "limits", "name", "two-way"]);
    assert_eq!(changed["code"].code, Some(Step { from: Digest::of(b"1"), to: Digest::of(b"2") }));
    assert_eq!(changed["name"].component, Some(Step { from: "a".to_owned(), to: "b".to_owned() }));
    assert!(changed["name"].code.is_some());
    assert_eq!(changed["limits"].limits.as_ref().map(|step| step.to.memory), Some(16 << 20));
    assert_eq!(changed["two-way"].response, Some(Step { from: false, to: true }));
    assert_eq!(difference.routing.as_deref(), Some("routes or their responses (`gone`, `new`, `two-way`)"));
    // The configuration values of added and removed routes are part of the difference.
    assert_eq!(difference.grants.grown, ["new newly asks for the configuration value new"]);
    assert_eq!(difference.grants.shrunk, ["gone no longer asks for the configuration value gone"]);
    assert_eq!(difference.config.added, BTreeSet::from(["new".to_owned()]));
    assert_eq!(difference.config.removed, BTreeSet::from(["gone".to_owned()]));
}

#[test]
fn code_is_compared_if_both_digests_are_known() {
    let app = with_grants(json!({}));
    let same = Difference::between(digests(&app, &[("chat", "1")]), digests(&app, &[("chat", "1")]));
    assert!(same.is_empty() && same.compares_code);
    let other = Difference::between(digests(&app, &[("chat", "1")]), digests(&app, &[("chat", "2")]));
    assert!(!other.is_empty() && !other.grew());
    let unknown = Difference::between(&app, digests(&app, &[("chat", "2")]));
    assert!(unknown.is_empty() && !unknown.compares_code);
}

#[test]
fn authorizers_are_compared() {
    let connect = || json!({ "$connect": { "component": "a" } });
    let with = |authorizer: Value| app(connect(), authorizer);
    let guard =
        |grants: Value, sources: Value| json!({ "component": "a", "identity-source": sources, "grants": grants });
    let none = with(Value::Null);
    let plain = with(guard(json!({}), json!([])));
    let reading = with(guard(json!({ "config": ["secret"] }), json!(["context.a"])));

    assert_eq!(Difference::between(&none, &none).authorizer, None);
    assert_eq!(Difference::between(&plain, &plain).authorizer, None);
    assert_eq!(Difference::between(&none, &plain).authorizer, Some(AuthorizerDifference::Added));
    assert_eq!(Difference::between(&plain, &none).authorizer, Some(AuthorizerDifference::Removed));
    let difference = Difference::between(&plain, &reading);
    let Some(AuthorizerDifference::Changed(changed)) = &difference.authorizer else { panic!("{difference:?}") };
    assert!(changed.grants && changed.identity_source.is_some() && changed.limits.is_none());
    assert_eq!(difference.grants.grown, ["the authorizer newly asks for the configuration value secret"]);
    assert_eq!(config_names(&reading), BTreeSet::from(["secret".to_owned()]));
}

#[test]
fn differences_have_the_documented_json() {
    let old = with_grants(json!({}));
    let new = with_grants(json!({ "messaging": { "broadcast": ["room-*"] } }));
    let difference = Difference::between(digests(&old, &[("chat", "1")]), digests(&new, &[("chat", "1")]));
    assert_eq!(
        serde_json::to_value(&difference).unwrap(),
        json!({
            "compares-code": true,
            "routes": { "added": [], "removed": [], "changed": { "chat": { "grants": true } } },
            "grants": { "grown": ["chat newly asks for broadcast to room-*"], "shrunk": [] },
            "config": { "added": [], "removed": [] },
        })
    );
}
