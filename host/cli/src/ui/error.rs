//! The error that ends a command.

use serde_json::{Value, json};
use tidegate_diagnostic::{Code, Diagnostic};

use crate::ui::{secret, terminal};

/// The result of an operation whose failure the user sees.
pub(crate) type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// Prints an error as text on standard error, or as JSON on standard output.
pub(crate) fn print(error: &Diagnostic, json: bool) {
    if json {
        terminal::print_json(&to_json(error).to_string());
    } else {
        terminal::message(&to_text(error));
    }
}

/// Returns the text for a terminal, without private keys.
pub(crate) fn to_text(error: &Diagnostic) -> String {
    redacted(error).report()
}

fn to_json(error: &Diagnostic) -> Value {
    let error = redacted(error);
    json!({ "error": { "code": error.code.as_str(), "message": error.to_string(), "hint": error.hint } })
}

fn redacted(error: &Diagnostic) -> Diagnostic {
    let redact = |text: &String| secret::redact(text).into_owned();
    Diagnostic {
        code: error.code,
        what: redact(&error.what),
        why: redact(&error.why),
        hint: error.hint.as_ref().map(redact),
    }
}

/// Runs blocking work on a thread of Tokio's blocking pool, on which no events run.
///
/// # Errors
/// The error of the work, or [`Code::Internal`] if the work panics.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Diagnostic::caused_by(Code::Internal, "cannot finish a task", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_causes_stand_on_a_line_each() {
        let error = Diagnostic::new(Code::GrantsWidened, "cannot activate `a`", "one\ntwo").hint("allow it");
        assert_eq!(to_text(&error), "error[grants-widened]: cannot activate `a`:\n  one\n  two\nhint: allow it");
    }

    #[test]
    fn private_keys_are_never_quoted() {
        let key = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
        let error = Diagnostic::new(Code::FileRead, format!("cannot read `{key}`"), key).hint(key);
        for text in [to_text(&error), to_json(&error).to_string()] {
            assert!(!text.contains("CIEINTu"), "{text}");
        }
    }

    #[test]
    fn json_errors_have_a_code_a_message_and_a_hint() {
        let error = Diagnostic::new(Code::RouteUnknown, "cannot invoke `a`", "no such route");
        let json = json!({
            "error": { "code": "route-unknown", "message": "cannot invoke `a`: no such route", "hint": null }
        });
        assert_eq!(to_json(&error), json);
    }
}
