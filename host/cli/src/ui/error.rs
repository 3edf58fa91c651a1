//! The error that ends a command.

use serde_json::{Value, json};
use tidegate_diagnostic::{Code, Diagnostic};

use crate::ui::terminal::{err, out};

/// The result of an operation whose failure the user sees.
pub(crate) type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// Prints an error as text on standard error, or as JSON on standard output.
pub(crate) fn print(error: &Diagnostic, json: bool) {
    if json {
        out!("{}", to_json(error));
    } else {
        err!("{}", to_text(error));
    }
}

/// Returns the text for a terminal. If there are several causes, each is on a separate line.
pub(crate) fn to_text(error: &Diagnostic) -> String {
    if !error.why.contains('\n') {
        return error.report();
    }
    let causes: String = error.why.lines().map(|cause| format!("\n  {cause}")).collect();
    let hint = error.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("error[{}]: {}:{causes}{hint}", error.code, error.what)
}

fn to_json(error: &Diagnostic) -> Value {
    json!({ "error": { "code": error.code.as_str(), "message": error.to_string(), "hint": error.hint } })
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
    fn json_errors_have_a_code_a_message_and_a_hint() {
        let error = Diagnostic::new(Code::RouteUnknown, "cannot invoke `a`", "no such route");
        let json = json!({
            "error": { "code": "route-unknown", "message": "cannot invoke `a`: no such route", "hint": null }
        });
        assert_eq!(to_json(&error), json);
    }
}
