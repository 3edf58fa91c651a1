//! The inheritance of grants.

use std::path::Path;

use tidegate_app::grants::{Access, Scope};
use tidegate_app::{App, Grants, Manifest};
use tidegate_diagnostic::Code;

use crate::support::{assert_errors, folder};

/// A manifest whose component has grants. `routes` are the tables of its routes.
fn with_component_grants(routes: &str) -> String {
    format!(
        r#"
[app]
name = "a"
route-selection-expression = "$request.body.action"

[components.c]
source = "c.wasm"
grants.storage = {{ rooms = "read-write", users = "read" }}
grants.connections = {{ list = true }}
grants.messaging = {{ send = "any", broadcast = ["room-*"] }}
grants.config = ["motd"]
{routes}"#
    )
}

/// Returns the grants of the route `r` of a manifest.
fn grants(text: &str) -> Grants {
    let app = Manifest::load(folder(text).path()).unwrap().app();
    app.routes["r"].grants.clone()
}

#[test]
fn routes_inherit_the_grants_of_their_component() {
    let inherited = grants(&with_component_grants("[routes.r]\ncomponent = 'c'\n"));
    assert_eq!(inherited.storage.len(), 2);
    assert!(inherited.connections.as_ref().unwrap().list);
    assert_eq!(inherited.messaging.as_ref().unwrap().send, Some(Scope::Any));
    assert!(inherited.config.contains("motd"));
}

#[test]
fn a_kind_of_a_route_replaces_the_whole_kind_of_the_component() {
    let routes =
        "[routes.r]\ncomponent = 'c'\ngrants.storage = { rooms = 'read' }\ngrants.messaging = { close = 'self' }\n";
    let text = with_component_grants(routes);
    let replaced = grants(&text);
    assert_eq!(replaced.storage.into_iter().collect::<Vec<_>>(), [("rooms".to_owned(), Access::Read)]);
    let messaging = replaced.messaging.unwrap();
    assert_eq!((messaging.send, messaging.broadcast.len(), messaging.close), (None, 0, Some(Scope::Own)));
    assert!(replaced.connections.unwrap().list);
    assert!(replaced.config.contains("motd"));
}

#[test]
fn false_removes_a_kind_of_the_component() {
    let route = "[routes.r]\ncomponent = 'c'\n";
    let removals = ["storage", "connections", "messaging", "config"].map(|kind| format!("grants.{kind} = false\n"));
    assert_eq!(grants(&with_component_grants(&format!("{route}{}", removals.concat()))), Grants::default());
    let without_config = grants(&with_component_grants(&format!("{route}grants.config = false\n")));
    assert!(without_config.config.is_empty() && without_config.storage.len() == 2);
}

#[test]
fn authorizers_do_not_inherit_grants() {
    let text = with_component_grants(
        "[routes.\"$connect\"]\ncomponent = 'c'\n[authorizer]\ncomponent = 'c'\nidentity-source = []\n",
    );
    let app = Manifest::load(folder(&text).path()).unwrap().app();
    assert_eq!(app.authorizer.as_ref().unwrap().grants, Grants::default());
    assert_eq!(app.routes["$connect"].grants.storage.len(), 2);
}

#[test]
fn app_json_has_resolved_grants() {
    let text = with_component_grants("[routes.r]\ncomponent = 'c'\ngrants.config = false\n");
    let app = Manifest::load(folder(&text).path()).unwrap().app();
    let json = app.to_json();
    assert!(json.contains("\"users\": \"read\"") && !json.contains("motd"), "{json}");
    assert_eq!(App::from_json(Path::new("app.json"), json.as_bytes()).unwrap(), app);
}

#[test]
fn component_grants_are_validated() {
    let route = "[routes.r]\ncomponent = 'c'\n";
    let connect = "[routes.\"$connect\"]\ncomponent = 'c'\n";
    let guard = "[components.g]\nsource = 'g.wasm'\ngrants.config = ['x']\n";
    let authorizer = "[authorizer]\ncomponent = 'g'\nidentity-source = []\n";
    assert_errors(vec![
        (
            with_component_grants(&format!("{route}grants.storage = true\n")),
            Code::ManifestTypeMismatch,
            Some(14),
            "routes.r.grants.storage",
            &["`false`", "found a boolean"],
        ),
        (
            with_component_grants(&format!("{route}grants.storage = {{ rooms = 'all' }}\n")),
            Code::ManifestValueUnknown,
            Some(14),
            "routes.r.grants.storage.rooms",
            &["`all`", "`read-write`"],
        ),
        (
            with_component_grants(&format!("{route}grants.connections = {{ lst = true }}\n")),
            Code::ManifestKeyUnknown,
            Some(14),
            "routes.r.grants.connections.lst",
            &["`list`?"],
        ),
        (
            with_component_grants(route).replace("list = true", "lst = true"),
            Code::ManifestKeyUnknown,
            Some(9),
            "components.c.grants.connections.lst",
            &["`list`?"],
        ),
        (
            with_component_grants(route).replace("[\"motd\"]", "false"),
            Code::ManifestTypeMismatch,
            Some(11),
            "components.c.grants.config",
            &["found a boolean"],
        ),
        (
            with_component_grants(route).replace("[\"motd\"]", "[\"\"]"),
            Code::GrantNameEmpty,
            None,
            "components.c.grants.config",
            &[],
        ),
        (
            with_component_grants(&format!("{connect}{guard}{authorizer}")),
            Code::GrantUnused,
            None,
            "components.g.grants",
            &["`[authorizer]`"],
        ),
    ]);
}
