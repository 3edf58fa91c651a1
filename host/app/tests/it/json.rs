//! `app.json`: the same checks and errors as the manifest.

use std::path::Path;

use serde_json::{Value, json};
use tidegate_app::{App, Error};
use tidegate_diagnostic::{Code, Diagnostic};

fn app() -> Value {
    json!({
        "name": "chat",
        "route-selection-expression": "$request.body.action",
        "components": ["chat"],
        "routes": {"$default": {"component": "chat", "response": true, "grants": {}, "limits": {"time": "2s"}}},
    })
}

fn error(text: &str) -> Error {
    App::from_json(Path::new("out/app.json"), text.as_bytes()).unwrap_err()
}

#[test]
fn optional_keys_have_defaults() {
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
fn errors_name_the_file_the_line_and_the_key() {
    let default_route = "routes.\"$default\"";
    for (pointer, value, code, line, key, mentions) in [
        ("/nam", json!(1), Code::ManifestKeyUnknown, Some(1), "nam".to_owned(), "`name`?"),
        ("/name", json!(1), Code::ManifestTypeMismatch, Some(1), "name".to_owned(), "found an integer"),
        ("/name", json!(""), Code::NameInvalid, None, "name".to_owned(), "1 to 64"),
        (
            "/route-selection-expression",
            json!(""),
            Code::SelectionExpressionInvalid,
            None,
            "route-selection-expression".to_owned(),
            "empty",
        ),
        (
            "/components",
            json!([]),
            Code::ComponentUndefined,
            None,
            format!("{default_route}.component"),
            "`[components.chat]`",
        ),
        ("/components", json!(["chat", "b"]), Code::ComponentUnused, None, "components.b".to_owned(), "hint: "),
        ("/routes", json!({}), Code::RoutesMissing, None, "routes".to_owned(), "`[routes.\"$default\"]`"),
        (
            "/routes/$default/limits/time",
            json!("0s"),
            Code::LimitInvalid,
            Some(1),
            format!("{default_route}.limits.time"),
            "`10ms` to `29s`",
        ),
        (
            "/routes/$default/grants/storag",
            json!({}),
            Code::ManifestKeyUnknown,
            Some(1),
            format!("{default_route}.grants.storag"),
            "`storage`?",
        ),
        (
            "/routes/$default/component",
            Value::Null,
            Code::ManifestTypeMismatch,
            Some(1),
            format!("{default_route}.component"),
            "found null",
        ),
    ] {
        let mut app = app();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        app.pointer_mut(parent).unwrap()[name] = value;
        let error = error(&app.to_string());
        let Error::Key { file, line: actual_line, key: actual_key, .. } = &error else { panic!("{error}") };
        assert_eq!(file, Path::new("out/app.json"));
        assert_eq!((error.code(), *actual_line, actual_key), (code, line, &key), "{error}");
        let report = Diagnostic::from(error).report();
        assert!(report.contains(mentions), "{mentions} is not in {report}");
    }
}

#[test]
fn syntax_errors_name_the_line() {
    for (text, expected) in [(String::new(), 1), ("{\n x".to_owned(), 2), (format!("{} x", app()), 1)] {
        let error = error(&text);
        assert!(matches!(error, Error::Syntax { line, .. } if line == expected), "{error}");
        assert!(!error.to_string().contains(" at line "), "{error}");
    }
}

#[test]
fn config_names_include_those_of_the_authorizer() {
    let mut app = app();
    app["components"] = json!(["chat", "guard"]);
    app["routes"]["$connect"] = json!({"component": "chat", "grants": {"config": ["motd"]}});
    app["authorizer"] = json!({"component": "guard", "identity-source": [], "grants": {"config": ["secret"]}});
    let app = App::from_json(Path::new("app.json"), app.to_string().as_bytes()).unwrap();
    assert_eq!(app.config_names().into_iter().collect::<Vec<_>>(), ["motd", "secret"]);
}
