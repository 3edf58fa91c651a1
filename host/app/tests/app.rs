//! `app.json`: the same checks as the manifest's, and the same words.

// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::{Value, json};
use tidegate_app::App;

fn app() -> Value {
    json!({
        "name": "chat",
        "route-selection-expression": "$request.body.action",
        "components": ["chat"],
        "routes": {"$default": {"component": "chat", "response": true, "grants": {}, "limits": {"time": "2s"}}},
    })
}

fn problem(text: &str) -> String {
    App::from_json(Path::new("out/app.json"), text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let mut short = app();
    short["routes"]["$default"] = json!({"component": "chat", "response": true});
    let parse = |app: Value| App::from_json(Path::new("app.json"), app.to_string().as_bytes()).unwrap();
    assert_eq!(parse(short), parse(app()));
}

#[test]
fn the_text_is_stable() {
    let app = App::from_json(Path::new("app.json"), app().to_string().as_bytes()).unwrap();
    assert_eq!(
        app.to_json(),
        r#"{
  "name": "chat",
  "route-selection-expression": "$request.body.action",
  "components": [
    "chat"
  ],
  "routes": {
    "$default": {
      "component": "chat",
      "response": true,
      "grants": {},
      "limits": {
        "memory": "64MiB",
        "time": "2s"
      }
    }
  }
}
"#
    );
}

#[test]
fn every_problem_names_the_file_and_the_key() {
    for (pointer, value, said) in [
        ("/nam", json!(1), "out/app.json:1: `nam`: is no known key\nhint: did you mean `name`?"),
        ("/name", json!(1), "out/app.json:1: `name`: expected a string, found integer `1`"),
        ("/name", json!(""), "out/app.json: `name`: `` is no name: 1 to 64 letters, digits, `-` and `_`"),
        (
            "/route-selection-expression",
            json!(""),
            "out/app.json: `route-selection-expression`: the expression is empty",
        ),
        (
            "/components",
            json!([]),
            "out/app.json: `routes.\"$default\".component`: there is no component `chat`\n\
             hint: add `[components.chat]`",
        ),
        (
            "/components",
            json!(["chat", "b"]),
            "out/app.json: `components.b`: no route and no authorizer uses it\nhint: use it or remove it",
        ),
        (
            "/routes",
            json!({}),
            "out/app.json: `routes`: there are none\nhint: add one, such as `[routes.\"$default\"]`",
        ),
        (
            "/routes/$default/limits/time",
            json!("0s"),
            "out/app.json:1: `routes.\"$default\".limits.time`: `0s` is out of range: from 10ms to 29s",
        ),
        (
            "/routes/$default/grants/storag",
            json!({}),
            "out/app.json:1: `routes.\"$default\".grants.storag`: is no known key\nhint: did you mean `storage`?",
        ),
        (
            "/routes/$default/component",
            Value::Null,
            "out/app.json:1: `routes.\"$default\".component`: expected a string, found null",
        ),
    ] {
        let mut app = app();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        app.pointer_mut(parent).unwrap()[name] = value;
        assert_eq!(problem(&app.to_string()), said);
    }
}

#[test]
fn text_that_is_no_json() {
    assert_eq!(problem(""), "out/app.json:1: EOF while parsing a value");
    assert_eq!(problem("{\n x"), "out/app.json:2: key must be a string");
    assert_eq!(problem(&format!("{} x", app())), "out/app.json:1: more text after the app");
}
