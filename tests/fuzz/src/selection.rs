//! Route selection expressions.

use serde_json::Value;
use serde_json::value::RawValue;
use tidegate_event::SelectionExpression;

/// The start of an expression that is one path.
const PATH: &str = "$request.body.";

/// The first line of the input is an expression, and the rest is a message.
///
/// An expression selects what serde_json reads at its path, and the parts of a composite are selected alone. A text
/// whose dollar signs are escaped selects itself.
pub fn selection(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (expression, body) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(parsed) = SelectionExpression::parse(expression) {
        let selected = parsed.evaluate(body);
        if let Some(path) = expression.strip_prefix(PATH) {
            let selected = selected.as_deref();
            assert!(selected.is_none() || serde_json::from_str::<&RawValue>(body).is_ok(), "the message is not JSON");
            assert_value(path, body, selected);
            let composite = format!("v1/${{{}}}-x", expression.trim_start_matches('$'));
            let composite = SelectionExpression::parse(&composite).expect("a path can be a part");
            assert_eq!(composite.evaluate(body), selected.map(|key| format!("v1/{key}-x").into()));
        }
    }
    if !text.is_empty() {
        let escaped = SelectionExpression::parse(&text.replace('$', "\\$")).expect("static text is an expression");
        assert_eq!(escaped.evaluate(body).as_deref(), Some(&*text));
    }
}

/// Asserts that the selected key is the value that serde_json reads. It reads fewer messages: it has a limit for their
/// depth and for the size of numbers.
fn assert_value(path: &str, body: &str, selected: Option<&str>) {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return };
    for name in path.split('.') {
        value = match value {
            Value::Object(mut members) => members.remove(name).unwrap_or_default(),
            _ => Value::Null,
        };
    }
    let key = selected.expect("JSON selects a key");
    match value {
        Value::Null => assert_eq!(key, ""),
        Value::String(text) => assert_eq!(key, text),
        value => assert_eq!(serde_json::from_str::<Value>(key).expect("the key is JSON"), value),
    }
}
