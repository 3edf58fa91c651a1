// Clippy's exception for tests covers test functions, but not their helpers.
#![allow(clippy::unwrap_used)]

use super::*;

fn evaluate(expression: &str, body: &str) -> Option<String> {
    SelectionExpression::parse(expression).unwrap().evaluate(body).map(Cow::into_owned)
}

fn selects(expression: &str, body: &str, key: &str) {
    assert_eq!(evaluate(expression, body).as_deref(), Some(key), "{expression} of {body}");
}

#[test]
fn paths_read_one_member() {
    selects("$request.body.action", r#"{"action":"chat"}"#, "chat");
    selects(
        "$request.body.action",
        r#" {"other":{"action":"no"},"action" : "chat" , "list":[1,{"action":"no"}]} "#,
        "chat",
    );
    selects("${request.body.action}", r#"{"action":"chat"}"#, "chat");
    selects("$request.body.a.b.c-d_e", r#"{"a":{"x":1,"b":{"c-d_e":"deep"}}}"#, "deep");
    selects("$request.body.größe", r#"{"größe":"L"}"#, "L");
}

#[test]
fn scalars_are_matched_by_their_text() {
    for (value, key) in [
        ("1", "1"),
        ("-1.50", "-1.50"),
        ("1e3", "1e3"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("true", "true"),
        ("false", "false"),
        (r#""""#, ""),
        (r#""a\"b\u00e9\n""#, "a\"bé\n"),
        (r#""\ud83d\ude00""#, "😀"),
    ] {
        selects("$request.body.a", &format!(r#"{{"a":{value}}}"#), key);
        selects("x${request.body.a}y", &format!(r#"{{"a": {value} }}"#), &format!("x{key}y"));
    }
}

#[test]
fn objects_and_arrays_are_their_json_text() {
    selects("$request.body.a", r#"{"a":{"b": 1}}"#, r#"{"b": 1}"#);
    selects("$request.body.a", r#"{"a":[1, 2]}"#, "[1, 2]");
}

#[test]
fn missing_values_are_the_empty_string() {
    for body in [
        "{}",
        "[]",
        "5",
        "-5",
        "1.5",
        "true",
        "null",
        r#""text""#,
        r#"[{"a":{"b":"c"}}]"#,
        r#"{"a":null}"#,
        r#"{"a":{}}"#,
        r#"{"a":{"b":null}}"#,
        r#"{"a":"b"}"#,
        r#"{"a":[{"b":1}]}"#,
        r#"{"A":{"b":1}}"#,
        r#"{"a.b":1}"#,
    ] {
        selects("$request.body.a.b", body, "");
        selects("<${request.body.a.b}>", body, "<>");
    }
}

#[test]
fn the_last_of_repeated_members_counts() {
    selects("$request.body.a", r#"{"a":"first","a":"last"}"#, "last");
    selects("$request.body.a.b", r#"{"a":{"b":"first"},"a":2}"#, "");
}

#[test]
fn text_that_is_not_json_selects_nothing() {
    for body in
        ["", " ", "hello", "{", r#"{"a":"b""#, r#"{"a":"b"} x"#, r#"{"a":"b",}"#, "{'a':'b'}", r#"{"x":tru,"a":"b"}"#]
    {
        assert_eq!(evaluate("$request.body.a", body), None, "{body}");
        assert_eq!(evaluate("x/${request.body.a}", body), None, "{body}");
    }
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(evaluate("$request.body.a", &deep), None);
}

#[test]
fn escapes_in_member_names_are_decoded() {
    selects("$request.body.action", r#"{"\u0061ction":"chat"}"#, "chat");
}

#[test]
fn composites_join_text_and_values_once() {
    let body = r#"{"a":"x","b":{"c":2},"d":"${request.body.a}"}"#;
    selects("${request.body.a}/${request.body.b.c}", body, "x/2");
    selects("${request.body.a}${request.body.b.c}", body, "x2");
    selects("v1-${request.body.a}-end}", body, "v1-x-end}");
    selects("${request.body.d}", body, "${request.body.a}");
    selects("-${request.body.d}-", body, "-${request.body.a}-");
}

#[test]
fn static_text_needs_no_body() {
    selects("all", "not json", "all");
    selects(r"\$default", "not json", "$default");
    selects(r"a\$b\${c}", "", "a$b${c}");
    selects(r"\$${request.body.a}", r#"{"a":1}"#, "$1");
    selects(r"a\b", "", r"a\b");
}

#[test]
fn invalid_expressions_are_rejected() {
    let variable = |text: &str| SelectionError::Variable(text.to_owned());
    let bare = |text: &str| SelectionError::Bare(text.to_owned());
    for (expression, error) in [
        ("", SelectionError::Empty),
        ("$", variable("")),
        ("$default", variable("default")),
        ("$request.body", variable("request.body")),
        ("$request.body.", variable("request.body.")),
        ("$request.body.a..b", variable("request.body.a..b")),
        ("$request.header.a", variable("request.header.a")),
        ("${request.bodya}", variable("{request.bodya}")),
        ("a/${}", variable("{}")),
        ("$request.body.a/b", bare("request.body.a")),
        ("b/$request.body.a", bare("request.body.a")),
        ("ab${request.body.a", SelectionError::Unclosed(2)),
    ] {
        assert_eq!(SelectionExpression::parse(expression), Err(error), "{expression}");
    }
    let text = bare("request.body.a").to_string();
    assert!(text.contains("`$request.body.a`") && text.contains("`${request.body.a}`"), "{text}");
}
