// Clippy's exception for tests covers test functions, not their helpers.
#![allow(clippy::unwrap_used)]

use super::*;

fn evaluate(expression: &str, body: &str) -> Option<String> {
    SelectionExpression::parse(expression).unwrap().evaluate(body).map(Cow::into_owned)
}

fn selects(expression: &str, body: &str, key: &str) {
    assert_eq!(evaluate(expression, body).as_deref(), Some(key), "{expression} of {body}");
}

#[test]
fn a_path_reads_one_member() {
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
fn an_object_or_an_array_is_its_json_text() {
    selects("$request.body.a", r#"{"a":{"b": 1}}"#, r#"{"b": 1}"#);
    selects("$request.body.a", r#"{"a":[1, 2]}"#, "[1, 2]");
}

#[test]
fn what_is_missing_is_the_empty_string() {
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
fn of_members_of_one_name_the_last_counts() {
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
fn escapes_in_member_names_are_undone() {
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
fn what_is_no_expression_is_refused() {
    for (expression, problem) in [
        ("", "the expression is empty"),
        ("$", "`$` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text"),
        ("$default", "`$default` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text"),
        (
            "$request.body",
            "`$request.body` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        (
            "$request.body.",
            "`$request.body.` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        (
            "$request.body.a..b",
            "`$request.body.a..b` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        (
            "$request.header.a",
            "`$request.header.a` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        (
            "${request.bodya}",
            "`${request.bodya}` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text",
        ),
        ("a/${}", "`${}` is no variable: `$request.body.NAME`, or `${request.body.NAME}` amid other text"),
        ("$request.body.a/b", "`$request.body.a` stands amid other text: write `${request.body.a}`"),
        ("b/$request.body.a", "`$request.body.a` stands amid other text: write `${request.body.a}`"),
        ("ab${request.body.a", "`${` at byte 2 has no `}`"),
    ] {
        assert_eq!(SelectionExpression::parse(expression).unwrap_err().to_string(), problem, "{expression}");
    }
}
